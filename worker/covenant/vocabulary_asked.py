"""What a covenant asks for outright: priorities, qualities, requirements."""

from __future__ import annotations

ASKED: tuple[tuple[str, str, str], ...] = (
    (
        "prio",
        "max_performance",
        "fast|faster|fastest|quick|quickly|quicker|quickest|rapid|rapidly|speedy|speedily|swift|swiftly|asap|a s a p|"
        "as soon as possible|as fast as possible|as quickly as possible|as quick as possible|as fast as you can|"
        "as quickly as you can|as quick as you can|as soon as you can|as fast as it gets|instantly|instant|"
        "instantaneous|instantaneously|immediate|immediately|right away|right now|straight away|straightaway|at once|"
        "pronto|urgent|urgently|real time|realtime|in real time|hurry|hurry up|in a hurry|in a rush|i'm in a hurry|"
        "i'm in a rush|without delay|no delay|no delays|no waiting|no lag|lightning fast|lightning quick|"
        "blazing fast|blazingly fast|max speed|full speed|full throttle|top speed|top performance|speed first|"
        "low latency|lowest latency|the faster the better|the sooner the better|the quicker the better|"
        "sooner is better|faster is better|time is of the essence|time critical|time sensitive|latency critical|"
        "latency sensitive|performance critical|performance first|chop chop|stat|in no time|in a flash|"
        "in a heartbeat|in the blink of an eye|don't keep me waiting|don't make me wait|can't wait|cannot wait|"
        "i can't wait|don't dawdle|on the double|post haste|posthaste|double quick|quick as you can|max performance|"
        "maximum performance|maximum speed|no time to waste|no time to lose|superfast|ultrafast|super fast|"
        "ultra fast|very fast|really fast|make it snappy|snappy|snappily|be quick|like lightning|expedite|expedited|"
        "rush|rush job|rush it|quickly please|with all speed|time matters|time is tight|time is short|short on time|"
        "hurriedly|speed critical|don't be slow|latency matters|every millisecond counts|every second counts|"
        "every millisecond matters|every second matters|time counts|hasten|promptly|prompt reply|prompt response|"
        "prompt answer|minimal latency|minimal delay|minimum latency|shortest wait|lickety split|with urgency|"
        "high urgency|super urgent|very urgent|at full speed|at top speed|speed over everything|latency first|turbo",
    ),
    (
        "prio",
        "cost_optimized",
        "cheap|cheaper|cheapest|cheaply|inexpensive|inexpensively|economical|economically|frugal|frugally|thrifty|"
        "thriftily|save money|saving money|save cost|save costs|saving costs|saves money|save me money|save us money|"
        "save some money|save me some money|save us some money|save as much money|save as much as possible|"
        "save as much as you can|save a bit of money|save a few bucks|save a little money|saving us money|"
        "saving me money|save my money|save our money|save a buck|save dollars|save pennies|"
        "save cash|save budget|save on cost|save on costs|cost saving|cost savings|money saving|keep it cheap|"
        "keep costs down|keep the costs down|keep costs low|keep cost low|keep cost down|keep the cost low|"
        "keep the cost down|keep the price down|keep the price low|keep the bill low|keep the bill down|"
        "keep expenses low|keep expenses down|keep spending low|low cost|lower cost|lowest cost|low price|"
        "lowest price|low budget|low expense|least cost|least expensive|least costly|minimum cost|minimal cost|"
        "minimum spend|minimal spend|minimal price|cost effective|cost efficient|cost effectively|cost efficiently|"
        "cost optimized|cost optimised|cost optimal|cost first|price first|cost conscious|price conscious|"
        "cost sensitive|price sensitive|budget friendly|budget conscious|on a budget|on a tight budget|tight budget|"
        "on a shoestring|shoestring|shoestring budget|on the cheap|affordable|affordably|bargain|dirt cheap|"
        "as cheap as possible|as cheaply as possible|as cheap as it gets|as cheap as you can|as cheaply as you can|"
        "as inexpensively as possible|as economically as possible|as affordable as possible|as little as possible|"
        "as little money as possible|as low as you can|don't waste money|do not waste money|don't spend much|"
        "don't spend too much|don't spend a lot|do not spend much|don't burn money|no wasting money|pinch pennies|"
        "penny pinching|every penny counts|every cent counts|every dollar counts|money is tight|money's tight|"
        "money matters|short on cash|short on money|strapped for cash|i'm broke|we're broke|i'm poor|economy mode|"
        "cost matters|price matters|cost saver|budget mode|eco mode|nothing expensive|nothing pricey|"
        "nothing fancy or expensive|not expensive|not too expensive|not pricey|don't be wasteful|low spend|"
        "good value|best value|best value for money|value for money|good value for money|bang for the buck|"
        "most bang for the buck|best price|lowest bill|the cheaper the better|cheaper is better|watch the cost|"
        "watch the costs|watch the spend|mind the cost|mind the costs|mind the budget|go easy on the budget|"
        "go easy on the wallet|easy on the wallet|spend little|spend less|spend as little|minimum expense|"
        "cost minimal|minimise cost|minimize cost|super cheap|very cheap|really cheap|ultra cheap|cost efficiency|"
        "cost optimization|cost optimisation|cost effectiveness|low fee|reduce cost|reduce costs|cut costs|cut cost|"
        "budget option|budget model|economy option|discount|least money|least amount of money|for peanuts|"
        "for next to nothing|cost reduction|low priced|lower price|lower costs",
    ),
    (
        "prio",
        "max_security",
        "secure|securely|securest|most secure|confidential|confidentially|strictly confidential|highly confidential|"
        "keep it confidential|security first|privacy first|data protection first|confidentiality first|private|"
        "privately|strictly private|keep it private|sensitive|highly sensitive|very sensitive|sensitive data|"
        "sensitive information|sensitive material|sensitive content|secret|top secret|keep it secret|trade secret|"
        "trade secrets|classified|hush hush|high security|higher security|highest security|max security|"
        "maximum security|max privacy|maximum privacy|high privacy|top security|tight security|strong security|"
        "strict security|utmost security|security critical|privacy critical|as secure as possible|"
        "as securely as possible|as private as possible|as privately as possible|as safe as possible|"
        "as safely as possible|as confidential as possible|as confidentially as possible|security matters|"
        "privacy matters|for my eyes only|eyes only|privileged|attorney client privileged|proprietary|"
        "security conscious|privacy conscious|privacy focused|privacy preserving|privacy sensitive|"
        "security sensitive|security focused|need to know|need to know basis|under nda|nda|keep this confidential|"
        "keep this private|keep this secret|keep this between us|between us|very private|super secure|ultra secure|"
        "extra secure|very secure|strictly secret|isolated|single tenant|dedicated gpu|off the record|in confidence|"
        "in strict confidence|in the strictest confidence|strictest confidence|in secret|not for public eyes|"
        "secure mode|security mode|private mode|keep it secure|keep it safe|keep my data safe|keep data safe|"
        "keep my data private|keep my data secure|fort knox|airtight|locked down|lock it down|discreet|discreetly|"
        "hardened|zero trust|paranoid|paranoid mode",
    ),
    (
        "prio",
        "balanced",
        "find a balance|find the balance|find me a balance|find a good balance|find the right balance|"
        "find a compromise|"
        "find a middle ground|find me a middle ground|find a good middle ground|find me a good middle ground|"
        "balanced|balance|balancing|a balance|good balance|strike a balance|a good balance|balanced approach|"
        "balanced mode|middle of the road|well balanced|happy medium|even handed|evenly balanced|equal weight|"
        "equally important|equal priority|reasonable balance|fair balance|middle ground|compromise|trade off|"
        "in between",
    ),
    (
        "qual",
        "high",
        "best quality|top quality|highest quality|high quality|premium|premium quality|premium model|must be right|"
        "must be correct|must be accurate|must be perfect|must be exact|must be flawless|must be precise|"
        "must be good|must be excellent|must be reliable|needs to be right|needs to be correct|needs to be accurate|"
        "needs to be perfect|needs to be exact|needs to be precise|need to be right|need to be correct|"
        "need to be accurate|has to be right|has to be correct|has to be accurate|has to be perfect|has to be exact|"
        "have to be right|have to be correct|got to be right|better be right|better be correct|should be perfect|"
        "should be accurate|should be correct|get it right|get this right|i need it right|i need it correct|"
        "do it right|do it properly|accurate|accurately|most accurate|highly accurate|very accurate|"
        "as accurate as possible|as accurately as possible|as good as possible|as good as it gets|as good as you can|"
        "as correct as possible|as precise as possible|as precisely as possible|as exact as possible|precise|"
        "precisely|flawless|flawlessly|perfect|perfectly|no mistakes|no errors|zero mistakes|zero errors|"
        "without mistakes|without errors|without any mistakes|without any errors|error free|mistake free|"
        "no hallucinations|don't hallucinate|no mistakes allowed|no error allowed|excellent|excellence|superb|"
        "outstanding|exceptional|top notch|first class|first rate|world class|top tier|state of the art|sota|"
        "best answer|best answers|best model|best result|best results|best output|best response|best possible|"
        "best possible answer|best you have|best you've got|best you can|the best|best available|best of the best|"
        "your best|do your best work|your very best|the very best|highest accuracy|high accuracy|max accuracy|"
        "maximum accuracy|max quality|maximum quality|full quality|great quality|superior quality|excellent quality|"
        "perfect quality|quality first|quality matters|quality is key|publication quality|publication ready|"
        "production quality|production grade|professional quality|meticulous|meticulously|thorough|thoroughly|"
        "impeccable|spot on|top model|strongest model|smartest model|most capable model|most powerful model|"
        "frontier model|flagship model|most intelligent model|most capable|correct|correctness|rigorous|rigorously|"
        "double check|double check everything|check everything|verify everything|triple check|cannot be wrong|"
        "can't be wrong|must not be wrong|mustn't be wrong|don't get it wrong|can't afford mistakes|"
        "cannot afford mistakes|can't afford errors|no room for error|no compromises on quality|"
        "no compromise on quality|don't compromise on quality|don't skimp on quality|without compromising quality|"
        "without compromising on quality|without sacrificing quality|don't sacrifice quality|gold standard|"
        "bulletproof|polished|pristine|highest standard|highest standards|to the highest standard|high standard|"
        "high standards|high end|hi quality|hq|great answer|really good answer|very good quality|really good quality|"
        "very good|very good answer|high fidelity|fact checked|well researched|high precision|utmost care|"
        "expert level|expert quality|nothing but the best|only the best|of the highest quality|as good as gold|"
        "deluxe|100% correct|100% accurate|100 % correct|100 % accurate|100 percent correct|100 percent accurate|"
        "top marks|absolutely correct|absolutely right",
    ),
    (
        "qual",
        "medium",
        "good quality|decent quality|medium quality|average quality|standard quality|normal quality|moderate quality|"
        "reasonable quality|fair quality|acceptable quality|adequate quality|ok quality|okay quality|mid quality|"
        "decent|good enough|good answer|good answers|good result|good results|good output|good model|good response|"
        "good accuracy|decent answer|decent answers|decent result|decent results|decent model|decent accuracy|"
        "reasonable accuracy|reasonably accurate|fairly accurate|moderately accurate|reasonably good|pretty good|"
        "fairly good|medium accuracy|moderate accuracy|average is fine|good work|good job|decent job|decent work|"
        "half decent|acceptable|adequate|satisfactory|passable|nothing fancy|good|good is enough|good is fine|"
        "good will do|decent is fine|reasonable|solid quality|solid answer|quality ok|quality okay|quality good|"
        "quality medium|not perfect but good|of good quality|of decent quality|of medium quality|mid tier|"
        "mid tier quality|standard",
    ),
    (
        "qual",
        "low",
        "low quality|lower quality|lowest quality|poor quality|rough|rough draft|rough drafts|rough answer|"
        "rough idea|rough cut|rough version|rough sketch|rough outline|rough estimate|rough quality|rough and ready|"
        "rough is fine|rough is ok|a draft|draft quality|just a draft|draft is fine|draft|drafts|draft only|"
        "draft will do|draft level|first draft|quick and dirty|quick n dirty|quick & dirty|sloppy|sloppy is fine|"
        "sloppy is ok|low ok|low okay|low is ok|low is okay|low is fine|low accuracy|low fidelity|ballpark|"
        "ballpark figure|ballpark answer|back of the envelope|back of an envelope|minimal quality|minimum quality|"
        "basic quality|crude|crude is fine|just a sketch|sketchy|sketch|errors are ok|errors are okay|"
        "errors are fine|mistakes are ok|mistakes are okay|mistakes are fine|a few mistakes are fine|"
        "a few errors are fine|some mistakes are fine|some errors are ok|some errors are fine|"
        "mistakes are acceptable|errors acceptable|mistakes allowed|typos are fine|inaccurate is fine|"
        "imperfect is fine|throwaway|throw away quality|any old answer|any answer will do|slapdash|half assed|"
        "half baked|lofi|lo fi|bare bones|barebones|low standard|low standards|low end|mediocre is fine|low effort|"
        "rough and dirty|down and dirty|approximate answer|approximate is fine|placeholder quality|scrappy|"
        "don't need high quality just",
    ),
    (
        "need",
        "local_only",
        "local only|locally|local|local model|local models|local processing|local inference|on device|on prem|"
        "on premise|on premises|offline|offline only|air gapped|airgapped|air gap|air gapped only|no cloud|"
        "never in the cloud|not in the cloud|no cloud services|no cloud providers|not the cloud|without the cloud|"
        "without cloud|don't use the cloud|no remote servers|no external servers|no external services|"
        "no external apis|no external api|no external providers|no third party|no third parties|"
        "no third party services|no third party apis|no third party providers|no outside services|self hosted|"
        "self host|self hosted only|my own machine|my own hardware|our own hardware|our own servers|my own server|"
        "our own server|my own computer|on my machine|on this machine|on our machines|on my laptop|on this laptop|"
        "on my computer|on this computer|on my device|on this device|on my own device|on my own machine|"
        "on my hardware|on our hardware|on our servers|on our own servers|on my server|in house|inhouse|no internet|"
        "without internet|no internet access|no internet connection|without network|no network|no network access|"
        "no network calls|without network access|disconnected|localhost|localhost only|edge only|no uploads|"
        "no upload|don't upload|do not upload|don't upload anything|don't send it anywhere|"
        "don't send anything anywhere|do not send it anywhere|nothing sent out|nothing goes out|nothing may go out|"
        "nothing may leave|nothing leaves|nothing must leave|nothing should leave|nothing can leave|nothing to leave|"
        "local machine|this machine only|my machine only|local hardware|local gpu|behind the firewall|"
        "behind our firewall|inside our network|within our network|inside my network|on site|onsite|premises only|"
        "inside the firewall|no saas|no hosted models|no hosted apis|no remote models|no remote processing|"
        "run it on my own machine|never go online|never touch the internet|must not touch the internet|no outbound|"
        "no outbound traffic|no egress",
    ),
    (
        "need",
        "no_logging",
        "no logs|no log|no logging|zero logs|zero logging|zero log|don't log|do not log|dont log|never log|not log|"
        "not be logged|not logged|nothing logged|nothing is logged|nothing gets logged|must not be logged|"
        "mustn't be logged|without logging|without logs|without log|logging off|logs off|logging disabled|"
        "disable logging|disable logs|turn off logging|turn logging off|turn off logs|switch off logging|"
        "no retention|zero retention|zero data retention|no data retention|without retention|don't retain|"
        "do not retain|never retain|not retained|not be retained|nothing retained|no storage|no data storage|"
        "don't store|do not store|never store|not stored|not be stored|nothing stored|nothing is stored|"
        "nothing may be stored|nothing gets stored|nothing must be stored|without storing|don't save|do not save|"
        "never save|not saved|not be saved|nothing saved|without saving|don't keep my|don't keep any|"
        "don't keep a record|don't keep records|don't keep logs|don't keep any logs|don't keep the logs|"
        "don't keep the prompts|don't keep prompts|do not keep my|do not keep any|do not keep logs|"
        "do not keep a record|don't keep anything|do not keep anything|keep no logs|keep no records|keep no record|"
        "keep nothing|no records|no record|no records kept|no recording|don't record|do not record|never record|"
        "not recorded|not be recorded|nothing recorded|off the books|no traces|no trace|leave no trace|"
        "without a trace|delete afterwards|delete everything afterwards|forget everything afterwards|"
        "forget afterwards|no history|no chat history|don't keep history|don't persist|do not persist|not persisted|"
        "no persistence|nothing persisted|no audit log|unlogged|logless|log nothing|log free|store nothing|"
        "save nothing|record nothing|retain nothing|ephemeral|no prompt logging|no request logging|zdr|no telemetry|"
        "logs must be off|logging must be off|no logs kept|no logs please|no tracking|don't write logs|"
        "delete my data afterwards|delete the data afterwards|delete my prompts",
    ),
    (
        "need",
        "no_training",
        "no training|no model training|no ai training|don't train|do not train|dont train|never train|not train|"
        "not be used for training|not used for training|not for training|not to be used for training|"
        "never used for training|never be used for training|mustn't be used for training|"
        "must not be used for training|must not be used to train|not be used to train|not used to train|"
        "never used to train|never be used to train|without training|don't use my data for training|"
        "do not use my data for training|don't use my data to train|do not use my data to train|"
        "don't use it for training|don't use it to train|don't use this for training|do not use this for training|"
        "don't use this to train|don't use my prompts for training|don't use my prompts to train|"
        "don't use my inputs for training|don't use our data for training|don't use our data to train|"
        "don't use for training|do not use for training|don't use data for training|don't use any of it for training|"
        "don't use any of this for training|not use my data for training|not use my data to train|"
        "not use it for training|not use our data for training|opt out of training|opted out of training|"
        "opt out training|training opt out|training off|training disabled|disable training|no learning from my data|"
        "don't learn from|do not learn from|never learn from|not learn from|no fine tuning|don't fine tune|"
        "do not fine tune|no finetuning|never fine tune|not fine tune|nothing used for training|no training data|"
        "training forbidden|training prohibited|training not allowed|exclude from training|excluded from training|"
        "keep out of training|keep it out of training|keep my data out of training|may not be used for training|"
        "may not be used to train|cannot be used for training|can't be used for training|no data used for training|"
        "nothing may be used for training|untrained on my data|not train on|don't feed it into training|"
        "no use for training|no retraining|don't retrain|not be trained on|not trained on|"
        "without being used for training|zero training|no data training|trained on never|no train",
    ),
    (
        "noun",
        "no_logging",
        "stored|logged|saved|recorded|retained|persisted|be stored|be logged|be saved|be retained|be recorded|"
        "be kept|logging|logs|log|retention|storage|recording|tracking|telemetry|data retention|storing|saving|"
        "record keeping|prompt storage|logfiles",
    ),
    (
        "noun",
        "no_training",
        "used for training|used to train|trained on|be used for training|be used to train|training|model training|"
        "fine tuning|finetuning|learning",
    ),
    (
        "noun",
        "local_only",
        "the cloud|internet|the internet|the web|online|third party|third parties|external apis|external services|"
        "any cloud|a cloud|public cloud|the public cloud|cloud services|remote servers|external servers|"
        "outside servers",
    ),
    (
        "need",
        "encrypted",
        "encrypted|encryption|encrypt|encrypts|encrypting|encrypted at rest|encrypted in transit|"
        "encrypted at rest and in transit|encrypted end to end|encryption at rest|encryption in transit|"
        "end to end encrypted|end to end encryption|e2e encrypted|e2e encryption|e2ee|e2e|tls only|tls|https only|"
        "aes|aes 256|aes256|cipher|ciphered|encrypt everything|encrypted only|encrypted storage|encrypted connection|"
        "encrypted channel|encrypted traffic",
    ),
    (
        "need",
        "redact_pii",
        "redact|redacted|redacting|redaction|redact pii|anonymise|anonymize|anonymised|anonymized|anonymising|"
        "anonymizing|anonymisation|anonymization|pseudonymise|pseudonymize|pseudonymised|pseudonymized|"
        "pseudonymisation|pseudonymization|deidentify|de identify|deidentified|de identified|deidentification|"
        "de identification|no pii|without pii|pii free|pii removal|pii redaction|pii masking|pii filter|"
        "pii filtering|pii scrubbing|pii removed|pii stripped|pii masked|pii redacted|pii scrubbed|pii out|"
        "pii must be removed|pii must be masked|pii must be stripped|no personal data|no personal information|"
        "no personally identifiable information|no names|sanitise pii|sanitize pii|personal data removed|"
        "personal data masked|names removed|names masked|names blacked out|filter pii|drop pii|hide pii|delete pii|"
        "take out pii|take out the pii|take pii out|erase pii|clean pii|black out names|blank out names|"
        "obfuscate pii|tokenize pii|hide names|hide the names|hide personal data|delete personal data|delete names|"
        "filter out pii|filter out personal data|erase personal data|blur names|without personal data|"
        "leave out personal data|leave out names|leave names out|leave out pii",
    ),
    (
        "strip",
        "",
        "remove|removed|removing|strip|stripped|stripping|strip out|mask|masked|masking|scrub|scrubbed|scrubbing|"
        "scrub out|mask out|remove all|strip all|mask all|scrub all|cleanse|wipe|blank out|black out|take out|"
        "filter out|filter|hide|sanitize|sanitise|sanitized|sanitised|obfuscate|obscure|erase|clear out",
    ),
    (
        "pii",
        "",
        "pii|personal data|personal info|personal information|personal details|personally identifiable information|"
        "personally identifying information|identifying information|identifying details|identifiers|names|"
        "sensitive personal data|names and addresses|names and emails|email addresses|phone numbers|customer names|"
        "patient names|private details|user data",
    ),
    (
        "need",
        "gdpr",
        "gdpr|dsgvo|rgpd|rodo|gdpr compliant|gdpr compliance|general data protection regulation|gdpr conform|"
        "datenschutz grundverordnung|gdpr ready|gdpr applies",
    ),
    (
        "need",
        "hipaa",
        "hipaa|hippa|hipaa compliant|hipaa compliance|hipaa applies|"
        "health insurance portability and accountability act|hipaa grade|baa",
    ),
    (
        "need",
        "soc2",
        "soc2|soc 2|soc ii|soc two|soc 2 type 2|soc 2 type ii|soc2 type 2|soc2 type ii|soc 2 type i|soc 2 type 1|"
        "soc ii type ii|soc2 compliant|soc 2 compliant|soc2 certified|soc 2 certified|ssae 18",
    ),
    (
        "need",
        "pci_dss",
        "pci|pci dss|pcidss|pci compliant|pci compliance|pci dss compliant|pci dss compliance|pci dss 4.0|pci dss 4|"
        "pci certified|payment card industry data security standard",
    ),
    (
        "need",
        "fips",
        "fips|fips 140|fips 140 2|fips 140 3|fips 140 - 2|fips 140 - 3|fips140|fips 140 2 level 3|fips validated|"
        "fips compliant|fips certified|fips 140 2 validated|fips mode|fips 199|fips 197|fips 201",
    ),
)
