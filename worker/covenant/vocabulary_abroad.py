"""The commonest words of covenants in German, French, Spanish, Italian, Portuguese, Dutch and Polish, folded."""

from __future__ import annotations

ABROAD: tuple[tuple[str, str, str], ...] = (
    (
        "upper",
        "",
        "bis|bis spatestens|spatestens|spatestens in|fino alle|hasta las|ate as|uiterlijk|au plus tard|a mas tardar|"
        "hochstens|hoechstens|maximal|maximale|maximaler|maximales|bis zu|nicht mehr als|weniger als|unter|unterhalb|"
        "innerhalb|innerhalb von|binnen|limit von|obergrenze|nicht langer als|nicht uber|au plus|au maximum|"
        "maximum de|moins de|pas plus de|jusqu'a|en moins de|dans les|plafond|plafond de|limite|limite de|"
        "tout au plus|maximo|maxima|como maximo|como mucho|a lo sumo|menos de|no mas de|hasta|en menos de|dentro de|"
        "tope|tope de|por debajo de|de maximo|massimo|massima|al massimo|meno di|non piu di|fino a|in meno di|entro|"
        "tetto|sotto|sotto i|al piu|no maximo|menos que|nao mais de|nao mais que|ate|em menos de|abaixo de|teto|"
        "limite maximo|maximaal|hoogstens|ten hoogste|minder dan|niet meer dan|binnen de|onder|tot|maksymalnie|"
        "maksimum|najwyzej|co najwyzej|nie wiecej niz|do|ponizej|mniej niz|w ciagu|pas plus que",
    ),
    (
        "lower",
        "",
        "mindestens|wenigstens|minimum de|au moins|pas moins de|al menos|por lo menos|como minimo|minimo|almeno|"
        "come minimo|pelo menos|no minimo|minstens|ten minste|minimaal|co najmniej|przynajmniej|nicht weniger als|"
        "no menos de",
    ),
    (
        "lower",
        "over",
        "mehr als|uber|ueber|uberschreiten|ubersteigen|plus de|depasser|depasse|mas de|superar|exceder|supere|piu di|"
        "mais de|mais que|ultrapassar|meer dan|wiecej niz|przekraczac",
    ),
    (
        "soft",
        "",
        "idealerweise|moglichst|am liebsten|idealement|de preference|idealmente|preferiblemente|preferibilmente|"
        "de preferencia|liefst|bij voorkeur|najlepiej|si possible|plait|si es posible|se possibile|se possivel",
    ),
    (
        "neg",
        "",
        "nicht|kein|keine|keinen|ohne|nie|niemals|ne|pas|pas de|sans|jamais|sin|nunca|nada|non|senza|mai|nessun|"
        "nessuna|nao|sem|niet|geen|zonder|nooit|bez|nigdy|aucun|aucune|ningun|ninguna",
    ),
    (
        "fix",
        "",
        "ich meine|ich meinte|besser gesagt|korrektur|nein doch|entschuldigung|vielmehr|quatsch|je veux dire|plutot|"
        "non plutot|pardon|desole|quiero decir|mejor dicho|perdon|en realidad|voglio dire|anzi|scusa|quero dizer|"
        "desculpa|alias|ou melhor|ik bedoel|of nee|sorry|to znaczy|przepraszam|eigentlich|en fait|in realta|"
        "na verdade|eigenlijk",
    ),
    (
        "dim",
        "cost",
        "kosten|preis|preise|cout|couts|prix|coste|costes|costo|costos|precio|prezzo|costi|custo|custos|preco|prijs|"
        "koszt|koszty|cena|geld|argent|dinero|denaro|dinheiro|pieniadze|depense|depenses|gasto|gastos|spesa|spese|"
        "ausgaben|uitgaven",
    ),
    (
        "dim",
        "budget",
        "presupuesto|orcamento|budżet|budzet|kostenlimit",
    ),
    (
        "dim",
        "time",
        "zeit|temps|tiempo|tempo|tijd|czas|antwortzeit|temps de reponse|latenz|latence|latencia|latenza|wartezeit|"
        "attente|espera|attesa|tiempo de respuesta|tempo di risposta|tempo de resposta|responstijd|czas odpowiedzi",
    ),
    (
        "dim",
        "deadline",
        "frist|zeitlimit|delai|delai maximum|plazo|tiempo limite|limite de tiempo|scadenza|prazo|termijn|tijdslimiet|"
        "termin|limit czasu|temps limite|tempo limite|tempo massimo|temps maximum|temps maximal|tiempo maximo|"
        "tempo maximo|zeitbudget|limite de temps|plazo maximo",
    ),
    (
        "dim",
        "speed",
        "geschwindigkeit|schnelligkeit|leistung|tempo geschwindigkeit|vitesse|rapidite|performances|velocidad|"
        "rapidez|rendimiento|velocita|prestazioni|velocidade|desempenho|snelheid|prestaties|szybkosc|predkosc|"
        "wydajnosc",
    ),
    (
        "dim",
        "security",
        "sicherheit|datenschutz|vertraulichkeit|privatsphare|securite|confidentialite|vie privee|seguridad|"
        "privacidad|confidencialidad|sicurezza|riservatezza|seguranca|privacidade|confidencialidade|veiligheid|"
        "beveiliging|privacy beveiliging|bezpieczenstwo|prywatnosc|poufnosc",
    ),
    (
        "dim",
        "quality",
        "qualitat|genauigkeit|qualite|precision|exactitude|calidad|exactitud|qualita|accuratezza|precisione|"
        "qualidade|precisao|kwaliteit|nauwkeurigheid|jakosc|dokladnosc",
    ),
    (
        "dim",
        "priority",
        "prioritat|vorrang|priorite|prioridad|priorita|prioridade|prioriteit|priorytet",
    ),
    (
        "dim",
        "place",
        "standort|standorte|serverstandort|land|region de|ubicacion|ubicacion de datos|localisation|posizione|"
        "localizacao|locatie",
    ),
    (
        "level",
        "up",
        "hoch|hohe|hoher|hohen|hohes|hochste|hochster|hochsten|beste|bester|besten|bestes|maximale|haute|hautes|"
        "eleve|elevee|meilleure|meilleur|alta|alto|altas|la mas alta|mejor|la mejor|maxima|migliore|massima|elevata|"
        "melhor|a melhor|hoge|hoogste|wysoka|wysokie|najwyzsza|najlepsza|najlepszej|sehr hohe|tres haute|muy alta|"
        "molto alta|muito alta|erstklassig|excelente|excellente|eccellente|uitstekend|plus haute",
    ),
    (
        "level",
        "down",
        "niedrig|niedrige|niedriger|niedrigste|gering|geringe|geringste|wenig|basse|bas|faible|faibles|baja|bajo|"
        "bajas|bassa|basso|baixa|baixo|lage|laag|laagste|niska|niski|niskie|slaba|minima|minimale",
    ),
    (
        "level",
        "mid",
        "mittel|mittlere|mittlerer|mittelmassig|gute|guter|gut|ordentlich|ordentliche|durchschnittlich|moyenne|moyen|"
        "bonne|bon|correcte|media|buena|buen|decente|buona|buono|discreta|boa|bom|mediana|razoavel|gemiddelde|"
        "gemiddeld|goede|redelijke|srednia|srednie|dobra|dobrej|przyzwoita|normale|standard|normal|raisonnable",
    ),
    (
        "key",
        "",
        "wichtig|entscheidend|geht vor|zuerst|zahlt|hat vorrang|hat prioritat|am wichtigsten|ist das wichtigste|"
        "importante|important|prioritaire|primordial|abord|avant tout|essentiel|essentielle|es lo primero|ante todo|"
        "primero|lo mas importante|fundamental|e importante|prima di tutto|prioritaria|em primeiro lugar|primeiro|"
        "belangrijk|eerst|voorop|staat voorop|najwazniejsze|najwazniejsza|wazne|wazna|przede wszystkim|priorytetem|"
        "oberste prioritat|an erster stelle|en premier|compte|importa|conta",
    ),
    (
        "nokey",
        "",
        "egal|unwichtig|ist egal|spielt keine rolle|keine rolle|nicht wichtig|ist nicht wichtig|nebensachlich|"
        "peu importe|n' importe pas|sans importance|pas important|pas importante|n' est pas important|"
        "n' est pas importante|no importa|da igual|es irrelevante|irrelevante|sin importancia|no es importante|"
        "non importa|non e importante|non conta|nao importa|nao e importante|niet belangrijk|maakt niet uit|"
        "doet er niet toe|onbelangrijk|niewazne|niewazna|nie ma znaczenia|bez znaczenia|ne compte pas",
    ),
    (
        "nolimit",
        "",
        "kein limit|ohne limit|unbegrenzt|keine frist|keine eile|ohne eile|kein zeitlimit|kein budget|"
        "keine zeitbegrenzung|illimite|sans limite|pas de limite|pas de delai|pas presse|pas pressee|sans urgence|"
        "pas urgent|prends ton temps|prenez votre temps|aucune limite|sin limite|sin prisa|sin limites|sin plazo|"
        "ilimitado|no hay prisa|tomate tu tiempo|no es urgente|senza limiti|senza limite|senza fretta|nessuna fretta|"
        "nessun limite|illimitato|con calma|sem limite|sem pressa|sem prazo|geen limiet|geen haast|onbeperkt|"
        "zonder limiet|bez limitu|bez pospiechu|lass dir zeit|nicht eilig|nicht dringend|aucune urgence|"
        "rien ne presse",
    ),
    (
        "prio",
        "max_performance",
        "schnell|schneller|schnellste|schnellstens|am schnellsten|schnellstmoglich|so schnell wie moglich|"
        "so schnell es geht|sofort|dringend|umgehend|eilig|zugig|blitzschnell|geschwindigkeit zuerst|vite|rapide|"
        "rapidement|le plus vite possible|le plus rapidement possible|le plus rapide|au plus vite|des que possible|"
        "immediatement|tout de suite|aussi vite que possible|plus vite possible|rapido|rapida|rapidamente|"
        "lo mas rapido posible|lo mas rapidamente posible|tan rapido como sea posible|cuanto antes|lo antes posible|"
        "inmediatamente|urgente|de inmediato|ya mismo|el mas rapido|il piu veloce possibile|"
        "il piu rapidamente possibile|il prima possibile|velocemente|veloce|subito|immediatamente|al piu presto|"
        "il piu veloce|piu veloce possibile|o mais rapido possivel|o mais rapido|imediatamente|depressa|"
        "o quanto antes|snel|sneller|snelste|snelst|schnellst|zo snel mogelijk|onmiddellijk|meteen|direct|spoed|"
        "szybko|szybciej|"
        "najszybciej|jak najszybciej|natychmiast|pilne|pilnie|najszybszy",
    ),
    (
        "prio",
        "cost_optimized",
        "billig|billiger|billigste|billigstes|am billigsten|gunstig|gunstiger|gunstigste|gunstigstes|am gunstigsten|"
        "so gunstig wie moglich|so billig wie moglich|moglichst gunstig|moglichst billig|preiswert|kostengunstig|"
        "sparsam|geld sparen|kosten sparen|niedrige kosten|spare geld|pas cher|bon marche|moins cher|le moins cher|"
        "le moins cher possible|la moins chere|economique|economiser|au moindre cout|a bas prix|a moindre cout|"
        "faible cout|bas prix|barato|barata|economico|economica|lo mas barato|lo mas barato posible|el mas barato|"
        "lo mas economico posible|tan barato como sea posible|mas barato|ahorrar|ahorra dinero|ahorrar dinero|"
        "bajo costo|bajo coste|il piu economico|il piu economico possibile|a buon mercato|economico possibile|"
        "risparmiare|basso costo|a basso costo|conveniente|o mais barato|o mais barato possivel|mais barato|"
        "economizar|baixo custo|goedkoop|goedkoper|goedkoopste|goedkoopst|"
        "billigst|gunstigst|zo goedkoop mogelijk|geld besparen|voordelig|tanio|"
        "taniej|najtaniej|tani|jak najtaniej|najtanszy|oszczednie|wirtschaftlich",
    ),
    (
        "prio",
        "max_security",
        "sicher|vertraulich|streng vertraulich|geheim|streng geheim|hohe sicherheit|hochste sicherheit|"
        "maximale sicherheit|sicherheit zuerst|sicherheit geht vor|so sicher wie moglich|sensibel|datenschutz zuerst|"
        "confidentiel|confidentielle|strictement confidentiel|secret|securise|haute securite|securite maximale|"
        "securite abord|le plus securise possible|confidencial|secreto|privado|seguro|alta seguridad|"
        "maxima seguridad|seguridad maxima|seguridad primero|la seguridad primero|lo mas seguro posible|riservato|"
        "confidenziale|segreto|sicuro|alta sicurezza|massima sicurezza|sigiloso|alta seguranca|maxima seguranca|"
        "seguranca maxima|vertrouwelijk|strikt vertrouwelijk|veilig|veiligst|veiligste|"
        "sicherst|am sichersten|hoge beveiliging|hoge veiligheid|"
        "maximale veiligheid|zo veilig mogelijk|poufne|poufny|scisle poufne|tajne|wysokie bezpieczenstwo|bezpiecznie|"
        "bezpieczny|maksymalne bezpieczenstwo",
    ),
    (
        "prio",
        "balanced",
        "ausgewogen|ausbalanciert|equilibre|equilibree|equilibrado|equilibrada|equilibrato|bilanciato|balanceado|"
        "gebalanceerd|evenwichtig|zrownowazony|zbalansowany",
    ),
    (
        "qual",
        "high",
        "beste qualitat|hochste qualitat|hohe qualitat|sehr gute qualitat|muss stimmen|muss richtig sein|"
        "muss korrekt sein|fehlerfrei|genau|meilleure qualite|haute qualite|qualite maximale|tres bonne qualite|"
        "la meilleure qualite|excellente qualite|sans erreur|sans erreurs|la mejor calidad|mejor calidad|"
        "alta calidad|maxima calidad|calidad maxima|sin errores|muy buena calidad|qualita migliore|alta qualita|"
        "massima qualita|la migliore qualita|migliore qualita|ottima qualita|senza errori|melhor qualidade|"
        "alta qualidade|maxima qualidade|qualidade maxima|sem erros|beste kwaliteit|hoge kwaliteit|hoogste kwaliteit|"
        "foutloos|najlepsza jakosc|wysoka jakosc|najwyzsza jakosc|bezblednie",
    ),
    (
        "qual",
        "medium",
        "gute qualitat|mittlere qualitat|ordentliche qualitat|normale qualitat|gut genug|bonne qualite|"
        "qualite moyenne|qualite correcte|buena calidad|calidad media|buona qualita|qualita media|boa qualidade|"
        "qualidade media|goede kwaliteit|gemiddelde kwaliteit|dobra jakosc|srednia jakosc",
    ),
    (
        "qual",
        "low",
        "niedrige qualitat|geringe qualitat|grober entwurf|entwurf|nur ein entwurf|grob|basse qualite|qualite basse|"
        "faible qualite|brouillon|un brouillon|baja calidad|calidad baja|borrador|un borrador|bassa qualita|bozza|"
        "una bozza|baixa qualidade|rascunho|um rascunho|lage kwaliteit|een schets|kladversie|ruwe versie|"
        "niska jakosc|szkic|brudnopis",
    ),
    (
        "need",
        "local_only",
        "nur lokal|lokal|offline nur|en local|localement|hors ligne|localmente|en local solamente|sin conexion|"
        "in locale|lokaal|alleen lokaal|lokalnie|nur offline|solo local|uniquement en local|sin nube|pas de cloud|"
        "keine cloud|sans cloud|senza cloud",
    ),
    (
        "need",
        "no_logging",
        "keine logs|keine protokolle|keine protokollierung|ohne protokollierung|nicht protokollieren|nicht speichern|"
        "nichts speichern|keine speicherung|ohne logs|pas de logs|sans logs|aucun log|pas de journalisation|"
        "sans journalisation|ne pas enregistrer|ne rien enregistrer|aucune conservation|sin registros|sin logs|"
        "no registrar|sin registro|no guardar|no guardar nada|nessun log|senza log|senza registrazione|"
        "non registrare|sem logs|sem registros|sem registro|nao registrar|geen logs|geen logging|niet loggen|"
        "niet opslaan|niets opslaan|bez logow|bez logowania|nie zapisuj",
    ),
    (
        "need",
        "no_training",
        "kein training|nicht trainieren|nicht zum training|nicht fur training verwenden|keine trainingsdaten|"
        "pas de entrainement|sans entrainement|ne pas entrainer|aucun entrainement|sin entrenamiento|no entrenar|"
        "nessun addestramento|senza addestramento|non addestrare|sem treinamento|sem treino|nao treinar|"
        "geen training|niet trainen|bez trenowania|bez treningu|nie trenuj",
    ),
    (
        "need",
        "encrypted",
        "verschlusselt|verschlusselung|chiffre|chiffree|chiffrement|cifrado|encriptado|cifrada|crittografato|"
        "crittografia|cifrato|criptografado|criptografia|versleuteld|versleuteling|zaszyfrowane|szyfrowanie|"
        "szyfrowane|ende zu ende",
    ),
    (
        "need",
        "redact_pii",
        "anonymisieren|anonymisiert|anonymiser|anonymise|anonimizar|anonimizado|anonimizzare|anonimizzato|"
        "anonimiseren|geanonimiseerd|anonimizuj|anonimizacja|personenbezogene daten entfernen|"
        "datos personales eliminados",
    ),
    (
        "absolute",
        "",
        "montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|morgen|heute|heute abend|ubermorgen|mittag|"
        "mitternacht|nachste woche|ende der woche|feierabend|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|"
        "demain|aujourd'hui|ce soir|midi|minuit|la semaine prochaine|lunes|martes|miercoles|jueves|viernes|sabado|"
        "domingo|manana|hoy|esta noche|mediodia|medianoche|la proxima semana|lunedi|martedi|mercoledi|giovedi|"
        "venerdi|sabato|domenica|domani|oggi|stasera|mezzogiorno|mezzanotte|segunda feira|terca feira|quarta feira|"
        "quinta feira|sexta feira|sexta|amanha|hoje|meio dia|maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|"
        "zondag|vandaag|vanavond|poniedzialek|wtorek|sroda|czwartek|piatek|piatku|jutro|jutra|dzisiaj|dzis|wieczorem|"
        "poludnie|polnoc|janvier|fevrier|januar|februar|juni|juli|oktober|dezember|enero|febrero|diciembre",
    ),
    (
        "vague",
        "",
        "bald|in kurze|demnachst|bientot|sous peu|pronto|en breve|presto|tra poco|a breve|em breve|logo|binnenkort|"
        "spoedig|wkrotce|niedlugo",
    ),
    (
        "only",
        "",
        "ausschliesslich|nur|lediglich|seulement|uniquement|solo|solamente|unicamente|soltanto|somente|apenas|alleen|"
        "enkel|uitsluitend|tylko|wylacznie",
    ),
    (
        "in",
        "",
        "auf|innerhalb der|dans|en|sur|au|aux|dans l'|en el|en la|dentro de|nella|nel|nell'|in der|im|no|na|em|op|w|"
        "we|bleiben in|rester en|des|della|de la",
    ),
    (
        "out",
        "",
        "ausser|ausserhalb|ausserhalb der|nicht in|hors|hors de|en dehors de|sauf|excepte|fuera de|excepto|salvo|"
        "fuori|fuori da|tranne|eccetto|fora de|fora da|exceto|buiten|behalve|poza|oprocz|z wyjatkiem",
    ),
    (
        "host",
        "",
        "rechenzentrum|rechenzentren|gehostet|serveurs|serveur|heberge|hebergement|servidores|servidor|alojado|"
        "centro de datos|centros de datos|ospitato|hospedado|gehost|servery|serwery|serwerach|daten|donnees|datos|"
        "dati|dados|gegevens|dane|verarbeitet|gespeichert",
    ),
    (
        "over",
        "",
        "vor|wichtiger als|plus important que|plus importante que|mas importante que|piu importante di|"
        "mais importante que|belangrijker dan|wazniejsze niz|wazniejsza niz|plutot que|antes que|prima di|avant",
    ),
    (
        "do",
        "",
        "antworte|antworten|antwort|beantworte|repondre|repond|reponds|repondez|reponse|responde|responder|responda|"
        "respuesta|contesta|contestar|rispondi|rispondere|rispondete|risposta|resposta|antwoord|antwoorden|odpowiedz|"
        "odpowiedziec|fertig|erledige|ausgeben|gib|depenser|depensez|gastar|gasta|spendere|spendi|gaste|besteden|"
        "besteed|geef|wydaj|wydac|terminer|termina|terminar|finir|klaar",
    ),
    (
        "rest",
        "",
        "ungefahr|etwa|zirka|circa|environ|aproximadamente|mas o menos|plus ou moins|piu o meno|mais ou menos|"
        "alrededor de|cerca de|intorno a|por volta de|ongeveer|okolo|mniej wiecej|rund|gut und gerne|a peu pres|"
        "pi x daumen",
    ),
    (
        "rest",
        "",
        "der|die|das|den|dem|ein|eine|einen|und|oder|ist|sind|soll|sollte|darf|bitte|mit|fur|mein|meine|es|muss|"
        "kostet|ich|habe|wir|haben|sie|le|la|les|un|une|et|est|sont|doit|avec|pour|mon|ma|mes|il|elle|je|j'|ai|dois|"
        "vous plait|te plait|plait|merci|svp|el|los|las|una|y|son|debe|con|para|mi|mis|por favor|gracias|tengo|lo|"
        "gli|e|sono|deve|per|mio|mia|per favore|grazie|ho|o|os|as|um|uma|sao|meu|minha|obrigado|tenho|de|het|een|is|"
        "zijn|met|voor|mijn|moet|mag|alstublieft|alsjeblieft|graag|heb|ik|jest|sa|z|dla|moj|moja|prosze|mam|i|als|"
        "avoir|sein|wenn|dann|aber|mais|pero|maar|ale|danke|dank|del|al|du|dei|dos|von|zu|zum|zur|moglich|possible|"
        "posible|possibile|possivel|mogelijk|bin|kann|kannst|peux|puede|puedes|todo|alles|tout|tutto|tudo|wszystko|"
        "qui|que|l'|c'|n'|qu'|s'|all'|dell'|par|pro|por|se|si|na|za|w|do|to|voll|kosten darf|se trouver|darf kosten|"
        "no|ni|noch|euch|uns|mir|mich|nous|vous|nos|soit|sea|sia|seja|wees|bleib|bleibt|bleiben|reste|rester|restent|"
        "queda|quedar|resta|restare|fica|ficar|blijf|blijven|zostaje",
    ),
)
