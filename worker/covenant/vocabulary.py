"""The words a covenant is made of, and what each of them does in it. English; other languages in `vocabulary_abroad`.

Kinds: upper, lower (bounds), soft, hard, neg, fix (correction), dim (what is spoken of), level (how much of it), key
(matters), nokey (doesn't), prio, qual, need, nolimit, absolute, vague, inject, task, ask, do (what answers are asked
with), polite, in, out, leave, host, over, then, first, rank, only, too, nan, rest.
"""

from __future__ import annotations

PHRASES: tuple[tuple[str, str, str], ...] = (
    (
        "upper",
        "",
        "max|maximum|maximal|maximally|at most|at the most|at the very most|at max|up to|no more than|not more than|"
        "never more than|nothing more than|not any more than|no longer than|not longer than|never longer than|"
        "no later than|not later than|no greater than|no higher than|no slower than|not slower than|slower than|"
        "no less quickly than|not exceeding|without exceeding|less than|fewer than|under|underneath|below|beneath|"
        "within|inside of|in under|in less than|in at most|in no more than|cap|capped|capped at|cap of|cap at|caps|"
        "limit|limits|limited|limited to|limit of|limit to|ceiling|upper limit|upper bound|tops|or less|or under|"
        "or fewer|or below|or faster|or quicker|or sooner|or cheaper|or lower|and no more|and not more|"
        "not a penny more|and not a cent more|and not a second more|not a second more|not a cent more|and that's it|"
        "and that is it|the most|as much as|the max|the maximum|sub|cheaper than|faster than|quicker than|"
        "and no more than|and not more than|but no more than|but not more than|"
        "stops at|stop at|ends at|tops out at|maxes out at|is capped at|runs out at|stay clear of|keep clear of|shy "
        "of|"
        "stay shy of|short of|just under|well under|"
        "sooner than|shorter than|stay under|stay below|keep under|keep below|spending limit|time limit of|"
        "cost limit of|to the max|maximum of|max of|a maximum of|a max of|an upper limit of|upto|uptill|cutoff|"
        "cut off|<|<=|≤|=<|⩽|top out at|topping out at|maxing out at|max out at|not over|nothing over|nothing above|"
        "not above|not beyond|as long as it's under|anything up to|inside|lt|lte|le",
    ),
    (
        "lower",
        "",
        "at least|at the least|at the very least|min|minimum|minimum of|a minimum of|no less than|not less than|"
        "no fewer than|not under|not below|never less than|never below|not cheaper than|not faster than|"
        "not sooner than|no sooner than|upwards of|or more|and up|or above|or longer|and above|minimally|lower limit|"
        "lower bound|floor|floor of|not before|gt|gte|ge",
    ),
    (
        "lower",
        "over",
        "more than|over|above|beyond|exceed|exceeds|exceeding|exceeded|surpass|surpassing|longer than|greater than|"
        "higher than|go over|goes over|going over|go above|go beyond|goes above|goes beyond|go past|pass|cross|"
        "in excess of|costlier than|pricier than|dearer than|later than|past|>|>=|≥|=>|get above|get over|rise above|"
        "overshoot|top|beat|more expensive than|take longer than|last longer than|run over|run longer than|run past",
    ),
    (
        "soft",
        "",
        "ideally|preferably|preferred|target|targeting|aim|aim for|aiming for|aim at|hope|hoping for|hopefully|"
        "would like|if possible|nice to have|goal|shoot for|shooting for|would be nice|would be great|would be ideal|"
        "would be perfect|would be good|optimal|optimally|desired|wish|soft limit|soft cap|soft target|soft|normally|"
        "usually|typically|on average|in the best case|best case|if you can|when possible|where possible|nominal|"
        "nominally|expected|hope for|try for|try to|sweet spot|is ideal|i'd like|i would like|i'd love|i'd prefer|"
        "i would prefer|prefer|strive for|as a target|as a goal|favourably|wanted",
    ),
    (
        "hard",
        "",
        "hard|hard limit|hard cap|hard max|hard maximum|hard ceiling|hard stop|hard deadline|hard budget|absolute|"
        "absolutely|absolute max|absolute maximum|absolute limit|absolutely no more than|strict|strictly|"
        "strict limit|never|under no circumstances|not under any circumstances|in no case|non-negotiable|"
        "non negotiable|firm|firmly|must not|mustn't|mandatory|at the outside|at the absolute most|worst case|"
        "in the worst case|at worst|must|cannot|can not|can't|may not|shall not|final limit|final offer|drop dead|"
        "no matter what|required|in any case|on no account|strict max|strict maximum|strict cap|but never more than|"
        "or i walk|fixed|iron",
    ),
    (
        "neg",
        "",
        "not|no|don't|do not|dont|never|nothing|without|nor|neither|isn't|isnt|aren't|is not|are not|doesn't|doesnt|"
        "does not|mustn't|must not|can't|cannot|can not|shouldn't|should not|won't|will not|may not|shall not|mayn't|"
        "shan't|didn't|wouldn't|would not|couldn't|no need for|no need of|need not|needn't|don't need|do not need|"
        "dont need|not needed|not required|doesn't need|does not need|don't have to|doesn't have to|does not have to|"
        "hardly|barely|there's no need for|no requirement for|not necessarily|anything but|ain't|none|not any|"
        "no particular|not exactly|not really|not especially|not particularly|no one|nobody|none of",
    ),
    (
        "fix",
        "",
        "actually|make that|scratch that|i mean|i meant|no wait|wait|sorry|or rather|rather|correction|instead|"
        "on second thought|on second thoughts|strike that|strike this|oops|whoops|hold on|hang on|my mistake|my bad|"
        "let me correct that|let me rephrase|that is to say|change that to|changed to|change it to|change to|"
        "better make it|let's make it|let's make that|make it|let's say|forget that|forget it|ignore that|"
        "cancel that|never mind that|nevermind that|never mind|nevermind|nvm|apologies|pardon|excuse me|"
        "revise that to|changed my mind|i changed my mind|change of plan|change of plans|check that|well actually|"
        "or actually|no make that|make that rather|come to think of it|to be precise|to be exact|should read|"
        "should have been|nope|no no|take that back|i take that back|i misspoke|disregard that|undo that|"
        "amend that to|let me change that|let me fix that|now it's|raise it to|raise that to|lower it to|"
        "lower that to|bump it to|bump that to|increase it to|increase that to|reduce it to|reduce that to|cut it to|"
        "cut that to|drop it to",
    ),
    (
        "dim",
        "cost",
        "cost|costs|costing|price|prices|pricing|spend|spending|expense|expenses|money|cash|funds|expenditure|outlay|"
        "charge|fee|bill|payment|paying|cost cap|cost limit|cost ceiling|price cap|price limit|price tag|being cheap|"
        "low cost ness|cheapness|savings|economy|affordability|costwise|cost wise",
    ),
    (
        "dim",
        "budget",
        "budget|budgets|budgeted|allowance|spending cap|spending budget|purse|wallet|cost budget|money limit|"
        "dollar limit|budget limit|budget cap|budget ceiling|allocation|credit",
    ),
    (
        "dim",
        "time",
        "time|latency|delay|delays|wait|waiting|wait time|waiting time|response time|turnaround|turnaround time|"
        "response latency|answer time|processing time|runtime|run time|duration|ttl|latencies|lag|time to answer|"
        "time to response|reply time|execution time|completion time|timing",
    ),
    (
        "dim",
        "deadline",
        "deadline|deadlines|timeout|time out|timeouts|time limit|time budget|time frame|timeframe|time cap|"
        "time window|sla|due|latency budget|latency limit|latency cap|latency target|max wait|time allowance|"
        "time allowed|cut off time|response deadline|request timeout|latency sla",
    ),
    (
        "dim",
        "first",
        "first token|first byte|ttft|ttfb|time to first token|time to first byte|first tokens|first word|first chunk|"
        "start streaming|begin streaming|streaming start|first output|start answering|first character|"
        "start responding|first response token|first sign of life|start of the stream|stream start|first words|"
        "first piece",
    ),
    (
        "dim",
        "whole",
        "whole answer|full answer|complete answer|entire answer|whole response|full response|complete response|"
        "entire response|whole reply|full reply|whole thing|everything|complete reply|entire reply|last token|"
        "last byte|complete result|final answer|rest|total time|end to end|the whole lot|full output|whole output|"
        "complete output|entire output|completion|finished answer|full completion|total latency|full text|whole text|"
        "all of it",
    ),
    (
        "dim",
        "speed",
        "speed|performance|throughput|quickness|swiftness|responsiveness|velocity|pace|haste|urgency|speediness|"
        "turnaround speed|response speed|being fast|fastness|perf",
    ),
    (
        "dim",
        "security",
        "security|privacy|confidentiality|secrecy|data protection|data security|data privacy|safety of my data|"
        "infosec|information security|being secure|isolation|discretion|data safety|cybersecurity|security level|"
        "privacy level|sensitivity",
    ),
    (
        "dim",
        "quality",
        "quality|accuracy|correctness|precision|reliability of the answer|answer quality|output quality|"
        "result quality|quality level|exactness|quality of answer|quality of the answer|accuracy level|thoroughness|"
        "faithfulness|output|polish|excellence|rigor|rigour|fidelity|quality wise|factuality",
    ),
    (
        "dim",
        "priority",
        "nothing matters more than|nothing is more important than|nothing's more important than|nothing comes before|"
        "there is nothing more important than|nothing counts more than|matters most is|"
        "priority|priorities|mode|optimize for|optimise for|optimized for|optimised for|optimise|optimize|"
        "optimizing for|optimising for|prioritize|prioritise|prioritizing|prioritising|focus on|focus|emphasis on|"
        "emphasis|favor|favour|top priority|main priority|number one priority|first priority|highest priority|"
        "main concern|preference|i care about|care about|i care most about|all i care about|what matters|"
        "what matters is|all that matters is|what counts is|all that counts is|most important|most important thing|"
        "the most important thing|most important is|more important|what i need is|priority on|objective|strategy|"
        "i value|value|profile|tier|optimization|optimisation|goal is|biggest concern|primary concern|primary goal|"
        "chief concern|main goal|main thing|lean towards|lean toward|weight|only care about|just care about|"
        "really care about|interested in",
    ),
    (
        "dim",
        "place",
        "residency|region|regions|location|locations|data residency|jurisdiction|data location|country|countries|"
        "hosting region|hosting location|geography|geo|data center|data centers|data centre|data centres|zone|"
        "datacenter|datacenters|datacentre|datacentres|sovereignty|territory|data sovereignty|hosting country|"
        "processing location|excluded countries|excluded regions",
    ),
    (
        "dim",
        "need",
        "requirement|requirements|compliance|compliant|certification|certified|compliances|standard compliance|"
        "regulations|regulation|validated|conform|konform|ready|grade|standard compliant|conformant|conformity|"
        "mandatory",
    ),
    (
        "level",
        "up",
        "high|higher|highest|top|best|utmost|extreme|extremely high|very high|great|greatest|strong|strongest|full|"
        "ultimate|tight|tightest|excellent|superior|supreme|superb|exceptional|outstanding|perfect|premium|"
        "first class|first rate|top notch|top tier|world class|highest possible|best possible|maximum possible|"
        "as high as possible|ultra|very good|peak|state of the art|enterprise grade|military grade|bank grade|"
        "production grade|production quality|publication|professional|studio|super|really high|pro|flawless|"
        "impeccable|strict|maximize|maximise|maximizing|maximising|hi|raise|ultra high|really good|stellar|pristine|"
        "gold standard|a plus|topmost|uncompromising|uncompromised|finest|optimum|optimal|max out|improve|increase",
    ),
    (
        "level",
        "down",
        "low|lower|lowest|least|minimal|minimize|minimise|minimizing|minimising|reduce|reducing|poor|tiny|little|"
        "lowest possible|minimum possible|as low as possible|very low|reduced|small|smallest|basic|bare minimum|"
        "keep down|cut|cutting|slash|shortest|shorter|short|minor|bottom|crude|poorer|lesser|rock bottom|ultra low|"
        "super low|worst|keep to a minimum|kept to a minimum|kept low|kept down|down",
    ),
    (
        "level",
        "mid",
        "medium|mid|moderate|average|normal|standard|ordinary|decent|good|fair|reasonable|acceptable|adequate|"
        "middling|okay|ok|passable|regular|satisfactory|sufficient|solid|medium level|mid level|default|good enough|"
        "intermediate|typical|so so|mid range|mediocre|respectable|tolerable|alright|half decent|nice|serviceable|"
        "usable|fairly good|pretty good|not bad",
    ),
    (
        "key",
        "",
        "important|critical|key|crucial|essential|vital|everything|matters|matter|is a must|first and foremost|"
        "comes first|come first|above all|above all else|above everything|above everything else|over everything|"
        "before all else|before everything|before everything else|number one|no 1|is king|is paramount|paramount|"
        "counts|of the essence|of utmost importance|most of all|is what matters|matters most|matters the most|"
        "is what counts|is the priority|is my priority|is top priority|is the top priority|is our priority|"
        "is number one|is the main thing|trumps all|trumps everything|beats everything|comes before everything|"
        "takes precedence|takes priority|has priority|is imperative|imperative|a must|non negotiable|most important|"
        "is all that matters|is everything|is all i care about|is what i care about|matters a lot|is of the essence|"
        "is the key|rules|wins|at all costs|at any cost|at any price|to the max|is a priority|is the goal|"
        "is most important|first of all|is a concern|is our top concern|is our first concern|is my top concern|"
        "uppermost|is essential|is needed|needed|does|do|conscious|sensitive|comes top|rules supreme|goes first|"
        "goes before everything|is first",
    ),
    (
        "nokey",
        "",
        "irrelevant|unimportant|no object|not a concern|no concern|not an issue|no issue|not a problem|no problem|"
        "of no concern|not important|doesn't matter|don't matter|does not matter|do not matter|doesnt matter|"
        "not matter|isn't important|isn't a concern|isn't an issue|isn't a problem|isn't a priority|isn't critical|"
        "isn't crucial|isn't key|is not a priority|not a priority|be damned|is secondary|secondary|negligible|aside|"
        "no big deal|not a big deal|immaterial|no matter|of no importance|of no consequence|isn't relevant|"
        "not relevant|is not critical|not critical|not crucial|doesn't count|isn't everything|not everything|"
        "whatever|is optional|optional|not a factor|isn't a factor|no factor|no obstacle|isn't an obstacle|"
        "not an obstacle|doesn't concern me|does not concern me|don't concern me|of little concern|"
        "of little importance|not a worry|no worry|no worries|isn't a worry|takes a back seat|comes last|is last|"
        "can wait|least of my worries|the least of my concerns|not worth worrying about|is no constraint|"
        "no constraint|not a constraint|isn't a constraint|not a consideration|isn't a consideration|"
        "no consideration|flexible|is flexible|negotiable|open|is open|isn't needed|aren't important|"
        "aren't a concern|not needed|not required|isn't required|unnecessary|not necessary|isn't necessary|"
        "is not needed|is not required|is not necessary|isn't mandatory|don't apply|doesn't apply|does not apply|"
        "not applicable|n/a|isn't applicable|makes no difference|doesn't bother me|not so important|"
        "not that important|not very important|less important|isn't that important|isn't so important|"
        "isn't very important|plays no role|up to you|not my concern|isn't my concern|doesn't|don't|"
        "of secondary importance|not a limit|is a non issue|non issue|is moot|is not a problem|is no problem|"
        "is fine either way",
    ),
    (
        "nocare",
        "",
        "don't care|do not care|dont care|couldn't care less|could not care less|don't mind|do not mind|dont mind|"
        "regardless of|irrespective of|whatever the|no matter the|no matter what the|no matter how|never mind the|"
        "nevermind the|forget about|forget|don't worry about|do not worry about|don't worry|not worried about|"
        "i'm not worried about|not concerned about|not concerned with|unconcerned about|ignore|ignoring|"
        "indifferent to|don't bother about|don't bother with|don't think about|independent of|without regard to|"
        "without regard for|without worrying about|not fussy about|not picky about|i am not fussy about|"
        "no preference on|no preference for|no preference about|any|don't mind about|don't sweat|don't fret about|"
        "not interested in|don't need to worry about|not particular about|no concern for|no concerns about|"
        "no worries about|don't stress about|not bothered about|not bothered by|not too worried about|disregarding|"
        "don't prioritize|don't prioritise|do not prioritize|do not prioritise|don't optimize for|don't optimise for|"
        "don't consider|no need to worry about|doesn't matter how|don't care how|don't care what|"
        "i couldn't care less about",
    ),
    (
        "then",
        "",
        "then|followed by|next|after that|second|secondly|and then|third|thirdly|lastly|last|after|afterwards|"
        "finally|with second|in second place",
    ),
    (
        "first",
        "",
        "first|1st|firstly|foremost|primarily|mainly|mostly|above all things|in first place|number one",
    ),
    (
        "over",
        "",
        "over|above|before|rather than|more than|instead of|beats|trumps|outweighs|comes before|ahead of|than|"
        "outranks|takes precedence over|has precedence over|takes priority over|has priority over|goes before|"
        "more important than|matters more than|is more important than|are more important than|ranks above|>|»|>>|"
        "wins over|is worth more than|counts more than|not at the expense of|at the expense of|"
        "even at the expense of|is preferred over|preferred over|preferred to|is preferred to|is above|is before|"
        "prior to|=>|in favor of|in favour of|is better than|better than|prevails over|even if not|even if it isn't|"
        "as opposed to|at the cost of|but not at the expense of|even at the cost of|->|→|in preference to|"
        "carries more weight than|important than",
    ),
    (
        "under",
        "",
        "less important than|matters less than|comes after|is less important than|are less important than|"
        "secondary to|is secondary to|subordinate to|after|ranks below|counts less than|takes a back seat to|"
        "yields to|behind|is second to",
    ),
    (
        "nolimit",
        "",
        "unlimited|no limit|no limits|without limit|without limits|infinite|limitless|unbounded|unconstrained|"
        "uncapped|unrestricted|no cap|no ceiling|no maximum|no max|no constraint|no constraints|no restriction|"
        "no restrictions|whatever it takes|whatever it costs|whatever is needed|whatever you need|"
        "as long as you need|as long as it takes|as much as you need|as much as you want|as much as needed|"
        "as much as it takes|open ended|bottomless|sky is the limit|sky's the limit|spare no expense|blank check|"
        "blank cheque|money is no object|no deadline|no timeout|no time limit|no budget limit|no spending limit|"
        "no budget|no rush|no hurry|take your time|not urgent|isn't urgent|is not urgent|no urgency|not in a hurry|"
        "not in a rush|in no hurry|in no rush|i'm in no hurry|i'm in no rush|i have time|plenty of time|"
        "all the time in the world|all the time you need|when you get to it|when you get around to it|whenever|"
        "at your leisure|eventually|no particular deadline|no specific deadline|no fixed budget|no fixed deadline|"
        "no particular hurry|no particular rush|none|n/a|null|not set|unset|no pressure|time is no issue|"
        "no need to hurry|no need to rush|don't rush|do not rush|don't hurry|i can wait|we can wait|can wait|"
        "it can wait|at any cost|at any price|any price|any cost|cost no object|price no object|costs be damned|"
        "cost be damned|hang the cost|hang the expense|expense be damned|whenever you can|whenever you like|"
        "at your own pace|no time pressure|i'm not in a hurry|i am not in a hurry|there's no rush|there is no rush|"
        "there's no hurry|there is no hurry|there's no deadline|there is no deadline|no strict deadline|"
        "no hard deadline|no budget constraints|no budget constraint|no cost limit|no price limit|no time constraint|"
        "no time constraints|isn't time critical|not time critical|not time sensitive|isn't time sensitive|"
        "not latency sensitive|not cost sensitive|not price sensitive|money's no object|no expense spared|any budget|"
        "any deadline|as long as necessary|however long it takes|however long|however much it costs|however much|"
        "no fixed limit|no upper limit|no set budget|no set deadline",
    ),
    (
        "too",
        "",
        "useless|is useless|pointless|is pointless|worthless|no use|is no use|of no use|of no use to me|no good to "
        "me|"
        "too much|too long|too slow|too expensive|unacceptable|not acceptable|isn't acceptable|not ok|not okay|"
        "isn't ok|not allowed|forbidden|out of the question|is out|a no go|no go|not an option|isn't an option|"
        "excessive|too late|too costly|too pricey|prohibited|intolerable|won't work|does not work|doesn't work|"
        "won't do|is no good|not tolerated|will not be tolerated|not fine|rejected",
    ),
    (
        "nan",
        "",
        "nan|infinity|inf|undefined|-inf|imaginary|aleph null|undefined dollars",
    ),
    (
        "rank",
        "",
        "i rank them|i rank these|i'd rank them|we rank them|ranking|my ranking|our ranking|rank order|"
        "in order of preference|"
        "order of preference|order of importance|ranked by importance|ranked by priority|by importance|by priority|"
        "most important first|from most to least important|most to least important|from first to last|my order|"
        "priorities ranked|priorities in order|priority ranking|priority list|priority order|sorted by importance|"
        "in that order|in this order|in order of priority|in order of importance|in order|descending|ranked|"
        "priority order|order of priority|in decreasing order|in descending order|in this sequence|order",
    ),
    (
        "only",
        "",
        "only|exclusively|solely|just|alone|nur|purely|strictly in|nowhere but|nowhere but in|nowhere else|"
        "nowhere else but|nowhere else than|nowhere other than|nowhere except|nowhere except in|nowhere outside|"
        "nowhere outside of|nowhere but inside|nowhere else but in",
    ),
    (
        "leave",
        "",
        "leave|leaves|leaving|left|exit|exits|escape|depart|go outside|goes outside|travel outside|go out of|"
        "move out of|be sent outside|sent outside|transferred outside|transfer outside|go beyond|transferred out of|"
        "be moved out of|cross|flow out of|step outside|move outside|be transferred outside|be processed outside|"
        "processed outside|process outside|stored outside|be stored outside|sent out of|be sent out of|moved outside|"
        "shipped outside|leaked outside|going outside|hosted outside|be hosted outside|run outside|sit outside|"
        "served outside|used outside|stray outside|send outside|route outside|routed outside",
    ),
    (
        "out",
        "",
        "outside|outside of|anywhere but|anywhere except|anywhere but in|anywhere except in|except|except for|"
        "excluding|exclude|excludes|excluded|other than|avoid|avoiding|non|everywhere but|everywhere except|"
        "anywhere other than|anything but|apart from|but not|keep out of|out of|stay out of|stay away from|away from|"
        "ban|banned|bar|barred|block|blocked|blacklist|forbid|anywhere outside|anywhere outside of|save for|prohibit|"
        "denylist|blocklist|nowhere near|nowhere in|not anywhere in|nowhere within|nowhere inside|kept out of|steer "
        "clear of|all but|minus|skip|bypassing|not available in|"
        "off limits",
    ),
    (
        "in",
        "",
        "in|within|inside|inside of|on|from|at|located in|hosted in|based in|processed in|stored in|stay in|stays in|"
        "remain in|remains in|keep in|kept in|run in|runs in|residing in|reside in|resides in|situated in|"
        "domiciled in|sited in|resident in|into|through|via|to|stay inside|stay within|remain within|remain inside|"
        "keep within|live in|lives in|using|by",
    ),
    (
        "host",
        "",
        "server|servers|hosting|hosted|host|data center|data centers|data centre|data centres|datacenter|datacenters|"
        "datacentre|datacentres|soil|cloud|region|regions|infrastructure|based|located|provider|providers|hardware|"
        "jurisdiction|territory|machines|gpus|residency|residents|resident|data|borders|border|boundary|boundaries|"
        "stay|stays|remain|remains|keep|kept|processed|processing|stored|storage|process|store|run|runs|location|"
        "locations|sites|site|ground|zone|zones|facility|facilities|endpoints|endpoint|availability zone|"
        "member states|states|nodes|node|countries|country|companies|company|vendors|vendor|operated|owned|bound|"
        "side|route|routes|routed|routing|computers",
    ),
)
