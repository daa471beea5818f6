"""Countries as they are named: English and own names, adjectives, and codes; each to EU or its ISO 3166 code."""

from __future__ import annotations

_NAMES = (
    "EU|eu|ue|european union|europe|europa|e u|eea|european|europaische union|europaischen union|"
    "union europeenne|l' union europeenne|l' ue|union europea|unione europea|uniao europeia|europese unie|"
    "unia europejska|europaisch|europeen|europeo|the eu|eu27|unii europejskiej|der eu|eu wide|europy|"
    "europie|eurozone",
    "US|usa|u s a|u s|united states|united states of america|the states|america|american|estados unidos|"
    "etats unis|vereinigte staaten|stati uniti|vs amerika|ee uu|stany zjednoczone|the us|eua|amerika|"
    "stateside",
    "GB|uk|u k|united kingdom|great britain|britain|england|british|english|scotland|wales|"
    "northern ireland|scottish|welsh|reino unido|royaume uni|vereinigtes konigreich|regno unito|"
    "grossbritannien|verenigd koninkrijk|the uk|wielka brytania",
    "DE|germany|german|deutschland|deutsche|deutsch|deutschen|deutscher|allemagne|allemand|alemania|"
    "germania|alemanha|duitsland|niemcy|niemczech",
    "FR|france|french|frankreich|francia|franca|frankrijk|francja|francais|francaise|franzosisch|francji",
    "CH|switzerland|swiss|schweiz|suisse|svizzera|suiza|suica|zwitserland|szwajcaria|schweizer|"
    "schweizerisch|szwajcarii",
    "AT|austria|austrian|osterreich|autriche|oostenrijk|osterreichisch",
    "IT|italy|italian|italia|italien|italie|italiano|wlochy|italiana",
    "ES|spain|spanish|espana|spanien|espagne|spagna|espanha|spanje|hiszpania|espanol",
    "PT|portugal|portuguese|portugues",
    "NL|netherlands|the netherlands|dutch|holland|nederland|niederlande|pays bas|paises bajos|paesi bassi|"
    "holandia|niederlanden",
    "BE|belgium|belgian|belgien|belgique|belgie|belgica|belgio",
    "LU|luxembourg|luxemburg|luxembourgish|lussemburgo",
    "IE|ireland|irish|eire|irland|irlande|irlanda|ierland|republic of ireland",
    "DK|denmark|danish|danemark|danmark|dinamarca|danimarca",
    "SE|sweden|swedish|schweden|suede|suecia|svezia|zweden|sverige",
    "NO|norway|norwegian|norwegen|norvege|noruega|norvegia|noorwegen|norge",
    "FI|finland|finnish|finnland|finlande|finlandia|suomi",
    "IS|iceland|icelandic|island|islande|islandia",
    "PL|poland|polish|polen|pologne|polonia|polska|polsce",
    "CZ|czechia|czech republic|czech|tschechien|tchequie",
    "SK|slovakia|slovak|slowakei",
    "HU|hungary|hungarian|ungarn|hongrie|hungria|ungheria|hongarije",
    "RO|romania|romanian|rumanien|roumanie",
    "BG|bulgaria|bulgarian|bulgarien|bulgarie",
    "GR|greece|greek|griechenland|grece|grecia|griekenland|hellas",
    "HR|croatia|croatian|kroatien|croatie",
    "SI|slovenia|slovenian|slowenien",
    "EE|estonia|estonian|estland|estonie",
    "LV|latvia|latvian|lettland",
    "LT|lithuania|lithuanian|litauen",
    "MT|malta|maltese",
    "CY|cyprus|cypriot|zypern",
    "UA|ukraine|ukrainian|ucrania",
    "RU|russia|russian|russland|russie|rusia|rusland|rosja|russian federation|russisch|rosji",
    "BY|belarus|belarusian",
    "RS|serbia|serbian",
    "TR|turkey|turkish|turkei|turkiye|turquie",
    "IL|israel|israeli",
    "AE|uae|united arab emirates|emirati|emirates|dubai",
    "SA|saudi arabia|saudi",
    "QA|qatar|qatari",
    "IR|iran|iranian",
    "IQ|iraq|iraqi",
    "EG|egypt|egyptian",
    "ZA|south africa|south african",
    "NG|nigeria|nigerian",
    "KE|kenya|kenyan",
    "MA|morocco|moroccan",
    "GH|ghana",
    "IN|india|indian|indien|inde",
    "PK|pakistan|pakistani",
    "BD|bangladesh",
    "LK|sri lanka",
    "CN|china|chinese|prc|people's republic of china|chine|cina|mainland china|chinesisch|chiny|chinach|chinois|chinas",
    "HK|hong kong",
    "TW|taiwan|taiwanese",
    "JP|japan|japanese|japon|giappone|japao|japonia",
    "KR|south korea|korea|korean|south korean|republic of korea|coree|corea|sudkorea",
    "KP|north korea|north korean|dprk|nordkorea",
    "SG|singapore|singaporean|singapur|singapour",
    "MY|malaysia|malaysian",
    "TH|thailand|thai",
    "VN|vietnam|vietnamese",
    "ID|indonesia|indonesian",
    "PH|philippines|the philippines|filipino",
    "AU|australia|australian|australien|australie",
    "NZ|new zealand|neuseeland",
    "CA|canada|canadian|kanada|kanadisch",
    "MX|mexico|mexican|mexiko|mexique",
    "BR|brazil|brazilian|brasil|brasilien|bresil|brasile",
    "AR|argentina|argentinian|argentine",
    "CL|chile|chilean",
    "CO|colombia|colombian",
    "PE|peru|peruvian",
    "UY|uruguay",
    "VE|venezuela|venezuelan",
    "CU|cuba|cuban",
    "CR|costa rica",
    "PA|panama",
    "LI|liechtenstein",
    "MC|monaco",
    "KZ|kazakhstan",
    "GE|georgia|georgian",
    "AM|armenia",
    "SY|syria|syrian",
    "KW|kuwait",
    "BH|bahrain",
)
#: Adjectives that are names of languages too: a place only with what is there ("German servers").
LANGUAGES = frozenset(
    str.split(
        "english french german spanish italian dutch polish portuguese danish swedish norwegian finnish greek "
        "hungarian "
        "romanian bulgarian czech slovak croatian slovenian russian ukrainian turkish chinese japanese korean "
        "vietnamese "
        "thai indonesian filipino deutsch francais espanol italiano portugues serbian estonian latvian "
        "lithuanian maltese"
    )
)
#: The folded name of a place -> its code.
PLACES: dict[str, str] = {name: row.split("|")[0] for row in _NAMES for name in row.split("|")[1:]}
