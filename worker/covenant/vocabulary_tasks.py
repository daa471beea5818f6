"""Words that tell a task from a covenant: verbs that ask for work, questions, and words that carry no weight."""

from __future__ import annotations

TASKS: tuple[tuple[str, str, str], ...] = (
    (
        "task",
        "world",
        "find|find me|book|buy|order|purchase|rent|hire|reserve|plan|recommend|suggest|search|search for|look for|"
        "look up|shop for|list|compare|show|show me|pick|choose|organize|organise|arrange|schedule|locate|sell|"
        "invest|travel|discover|browse|rank|name|give me a list of|name me|gather|collect|design|build|develop|"
        "create a budget|cook|bake|teach|track|what are some|optimize my|recommend me|suggest me|plan me|source|"
        "hunt for|help me find|help me plan|help me buy|help me choose|help me pick",
    ),
    (
        "task",
        "info",
        "summarise|summarize|summary of|translate|write|write me|explain|draft me|describe|compose|analyse|analyze|"
        "review|proofread|rewrite|rephrase|paraphrase|edit my|edit this|edit the|extract|classify|categorise|"
        "categorize|convert|calculate|compute|solve|prove|code|implement|refactor|debug|fix this|fix my|fix the|"
        "generate|create|make a|make an|make me|outline|discuss|define|evaluate|assess|tell me|tell us|"
        "give me an overview|give an example|give examples|give me tips|brainstorm|invent|imagine|simplify|expand|"
        "elaborate|predict|estimate|research|study|investigate|report on|transcribe|correct this|correct the|"
        "correct my|check this|check the|check my|parse|format|sort|count|read|read this|condense|shorten|"
        "improve this|improve the|improve my|illustrate|sketch a|sketch out|sketch the|draft a|draft an|draft the|"
        "draft my|draft us|draft our|draft this|draft some|draft two|draft three|draft it for|interpret|identify|"
        "detect|label|tag|add|subtract|multiply|divide|test|document|annotate|render|draw|paint|sing|recite|tell a|"
        "tell the|narrate|quote|cite|verify the|verify this|verify that|validate|answer the following|"
        "answer this riddle|do the|help me write|help me understand|help me with|help|walk me through|teach me|"
        "give me a recipe|turn this|turn the|make this into|design a|optimise this|optimise the|optimize this|"
        "optimize the|process the|process this|process my|process these|look at|complete the|complete this|"
        "finish the|finish this|reply to|respond to|answer to|consider|note that|remember that|assume|suppose|let x|"
        "here is|here are|here's|below is|the following|replace|encrypt this|encrypt the|encrypt my|encrypt a|"
        "redact this|redact the|anonymize this|anonymise this|rate|price a|price the|quiz|how to|compare the|say|"
        "print|mention|include|continue|play|simulate|model the|model a|visualize|visualise|plot|graph|chart|decode|"
        "encode|spell|conjugate|pronounce|rhyme|choose between|argue|criticize|criticise|critique|contrast|untangle|"
        "rewrite this",
    ),
    (
        "task",
        "info",
        "schreibe|schreib|ubersetze|erklare|erklar|fasse|zusammenfassen|beschreibe|ecris|ecrivez|traduis|traduisez|"
        "explique|expliquez|resume|resumez|escribe|traduce|explica|resumir|scrivi|traduci|spiega|riassumi|escreva|"
        "traduza|resuma|schrijf|vertaal|leg uit|vat samen|napisz|przetlumacz|wyjasnij|podsumuj",
    ),
    (
        "task",
        "world",
        "finde|suche|suche mir|buche|kaufe|trouve|trouvez|cherche|reserve|achete|encuentra|busca|compra|reserva|"
        "trova|cerca|prenota|encontre|procure|compre|zoek|boek|koop|znajdz|zarezerwuj|kup|plane|planifie|planifica|"
        "planeje",
    ),
    (
        "ask",
        "",
        "what|what's|whats|who|who's|whose|whom|how|how's|why|where|where's|which|when did|when was|when is|"
        "when will|when does|when should|is|was|does|did|have you|do i|do you know|do you have|would it|will it|"
        "is it|is there|are there|can i|can you tell me|can we|could i|may i|shall i|am i|wie viel|wie|wer|warum|wo|"
        "welche|welcher|combien|comment|pourquoi|qui est|quel|quelle|que es|cuanto|cuantos|como|por que|quien|donde|"
        "cual|quanto|come|perche|chi|dove|quale|quem|onde|hoeveel|hoe|wat|wie is|waarom|ile|jak|co to|kto|dlaczego|"
        "gdzie|do people|how come",
    ),
    (
        "go",
        "",
        "how about|what about|is fine|is ok|is okay|is enough|is plenty|is all i have|is all i've got|is all we have|"
        "is good|is it|is the limit|is the max|is the most|that's it|what i can spend|is what i have|"
        "is what i can spend|is what i've got|is my limit|is my max|is our limit|is the budget|is the deadline|"
        "is acceptable|are ok|are enough",
    ),
    (
        "polite",
        "",
        "gimme|gotta|wanna|gonna|lemme|ya|u|ur|yo|bro|dude|pal|y'all|kay|k|"
        "whatever's|whichever is|whichever's|whatever is|"
        "real|actual|true|genuine|current|own|i'd say|i would say|as soon as|give me|give us|get me|i need|i want|"
        "we need|we want|need|want|please|pls|plz|kindly|hi|hi there|hello|hello there|hey|hey there|thanks|"
        "thank you|thx|ty|cheers|dear|ok|okay|so|well|yes|yeah|yep|sure|right|alright|now|also|and|but|note|fyi|btw|"
        "by the way|good morning|good afternoon|good evening|good day|greetings|could you|can you|would you|will you|"
        "could you please|can you please|would you please|would you mind|i want you to|i need you to|i'd like you to|"
        "i would like you to|i'd like to|i would like to|i want to|i need to|let's|let us|help me to|please note|"
        "remember|task|question|request|prompt|todo|constraints|constraint|covenant|rules|conditions|terms|settings|"
        "options|config|parameters|just|simply|quick question|good luck|have a nice day|regards|best regards|"
        "kind regards|sincerely|yours|team|everyone|folks|guys|mate|buddy|friend|boss|sir|madam|first of all thanks|"
        "much appreciated|many thanks|thanks a lot|thanks in advance|thank you very much|lol|haha|cheers mate|tia|ta|"
        "bitte|por favor|s'il vous plait|per favore|alstublieft|prosze|hallo|hola|bonjour|ciao|ola|dzien dobry|"
        "guten tag|really|honestly|basically|frankly|literally|obviously|of course|clearly|certainly|definitely|"
        "surely|maybe|perhaps|i think|i guess|i suppose|you know|as usual|again|too|as well|additionally|furthermore|"
        "moreover|plus|otherwise|anyway|anyhow|mind you|that said|however|though|although|while|yet|still|even|"
        "because|since|as|if|when|whether|unless|until|once|already|together|all right|for now|for me|for us|"
        "by all means|in general|generally|overall speaking|in short|in other words|for instance|for example|e.g|i.e|"
        "etc|limits are|my limits are|our limits are|limit is|the limits|the rules|the constraints|and also|"
        "as follows|the following constraints",
    ),
    (
        "do",
        "money",
        "spend|spends|spending|spent|pay|pays|paying|cost|costs|costing|charge|burn|afford|i can afford|"
        "we can afford|shell out|fork out|cough up|part with|blow|bill|billed|charged|invest|use up|consume|waste|"
        "budget is|budgeted|willing to pay|can pay|can spend|dollars to spend|to spend",
    ),
    (
        "do",
        "time",
        "answer|answers|answered|respond|responds|reply|replies|replied|finish|finished|finishes|complete|completed|"
        "done|deliver|delivered|delivers|return|returned|returns|come back|get back|wrap up|wrap it up|wrap this up|"
        "be done|get it done|get this done|turn around|ready|response|output|result|results|give me an answer|"
        "give an answer|give me the answer|give me a response|give me the result|i need an answer|need an answer|"
        "i need a response|i need it|i need this|need it|need this|i want it|i want this|want it|want an answer|"
        "i want an answer|i need results|time out|timeout after|stop after|abort after|give up after|kill it after|"
        "expire after|expires after|cancel after|take|takes|taking|last|lasts|wait|waits|run for|runs for|hurry it|"
        "answering|responding|replying|finishing|processing|tick|an answer|the answer|the response|the reply|"
        "the result|your answer|your response|your reply|reply to me|answer me|get back to me|back to me|send it|"
        "respond to me|hand it over|hand over|have it|have it ready|have it done|have this done|must come|"
        "must arrive|should come|should arrive|comes|arrive|arrives|come|came|show up|receive|be back|be ready|"
        "due in|due within|in time of|report back|got|get|get me an answer|get me the answer|get an answer|"
        "get results|get a response|get a reply|i get|you get|you have|you've got|i've got|we've got|i have|we have|"
        "have|has|there is|there's|give it|give you|giving you|i give you|i'll give you|allow|allowed|allows|"
        "allowing|set|keep|keeping|keep it|stay|stays|staying|remain|go|goes|going|hold|put|make it|make sure|ensure|"
        "need|needs|needed|want|wants|require|requires|use|uses|using|run|runs|running|process|processed|execute|"
        "executed|do it|do this|do that|do so|perform|handle|work|works|working|try|let|accept|accepted|tolerate|"
        "stick|stick to|call it|treat|assume|provide|produce|choose|pick a|select|route|serve|served|send|"
        "deliverable|i'm willing|willing|i'm happy|happy|happy to|fine with|okay with|ok with|i am ok with|"
        "i'm ok with|i'm fine with|manage|handled|get it|get this",
    ),
    (
        "rest",
        "",
        "the|a|an|of|for|my|our|your|its|their|his|her|this|that|these|those|it|i|me|we|us|you|he|she|they|them|one|"
        "ones|be|been|being|is|are|was|were|am|will|would|should|shall|could|can|may|might|to|with|at|by|from|as|so|"
        "than|it's|that's|i'm|i'll|i've|i'd|we're|we'll|you'll|there|here|per|each|every|all|both|some|any|more|less|"
        "most|much|many|very|really|quite|too|also|just|about|around|roughly|approximately|approx|ca|circa|nearly|"
        "almost|and|or|but|plus|yet|if|when|while|do|does|did|has|had|having|how|what|which|who|where|because|since|"
        "request|requests|call|calls|question|questions|query|queries|prompt|prompts|message|messages|model|models|"
        "ai|llm|task|tasks|job|jobs|thing|things|stuff|work|answer|answers|response|responses|reply|replies|result|"
        "results|output|outputs|token|tokens|project|session|conversation|batch|whole|entire|full|total|usd|worth|"
        "effort|possible|possibly|amount|amounts|number|figure|range|value|way|ways|matter of|whatever|you think|"
        "right|think|single|individual|extra|other|others|another|same|own|my own|data|information|info|content|"
        "documents|document|files|file|text|input|inputs|machine|device|laptop|computer|network|building|office|"
        "company|team|client|customer|user|users|people|person|system|service|services|api|apis|app|application|tool|"
        "tools|thing's|able|allowed|ok|okay|fine|good to go|enough|plenty|on|in|into|out|up|down|off|over|under|"
        "again|ever|once|only|alone|even|still|now|then|there's|kind|kinds|sort|type|types|level|levels|setting|"
        "settings|option|options|please|thanks|let|go|get|got|give|gives|take|takes|make|makes|made|keep|kept|set|"
        "put|use|used|using|run|want|wants|need|needs|have|expect|expects|expected|like|love|hope|know|see|look|mean|"
        "say|said|says|ask|asked|tell|told|feel|seem|seems|first|second|last|next|new|old|big|small|little|long|"
        "short|time|times|day|days|point|mark|part|bit|lot|lots|half|rest|end|beginning|start|top|bottom|side|"
        "everything|anything|something|nothing|everyone|anyone|someone|above|below|between|during|through|across|"
        "against|along|among|before|after|until|till|without|within|toward|towards|upon|via|not|no|yes|stipulated|"
        "please and|given|provided|ensure|cool|nice|great|awesome|anywhere|somewhere|elsewhere|haha|hmm|somewhat|"
        "slightly|fairly|pretty|rather|kinda|sorta|kind of|sort of|a bit|a little|a lot|e|g|etc|sized|wise|sake|"
        "regard|regards|terms|in terms of|respect|with respect to|case|cases|event|situation|circumstance|"
        "circumstances|reason|reasons|fact|fact that|course|means|mind|head|hand|hands|eye|eyes|subject|hosted|ai's|"
        "gpt|claude|llama|gemma|qwen|gpu|gpus|provider|providers|endpoint|pool|it'll|they're|applies|apply|applied|"
        "any and all|wherever|wherever possible|wherever you can|whenever possible|whenever you can|where you can|"
        "subscription|plan|per-use|pay as you go|it be|bucks|seconds|minutes|dollars|money|budget",
    ),
)
