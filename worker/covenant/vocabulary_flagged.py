"""Words that are flagged: times of the calendar, times and amounts too vague to be limits, attempts to override."""

from __future__ import annotations

FLAGGED: tuple[tuple[str, str, str], ...] = (
    (
        "vague",
        "",
        "soon|shortly|in a bit|in a while|a while|a moment|in a moment|a little while|in due course|before long|"
        "momentarily|presently|some time|sometime|a short time|a short while|in a short time|a bit of time|"
        "in due time|in a jiffy|a jiffy|in a tick|in a mo|not too long|not long|not take long|not take too long|"
        "don't take too long|don't take long|do not take too long|doesn't take too long|reasonable time|"
        "in a reasonable time|within a reasonable time|within reason|in time|timely|in a timely manner|"
        "in a timely fashion|reasonably soon|fairly soon|pretty soon|very soon|real soon|not forever|"
        "don't take forever|don't take all day|a little bit of time|a short delay|reasonable time frame|"
        "a minute or so ago|any minute|any moment|any second|a short wait|in short order|quick ish|fastish|"
        "fairly quickly ish|in good time|relatively soon|reasonable amount of time|in a reasonable amount of time|"
        "a reasonable amount of time|short time|before too long|a beat|a blink",
    ),
    (
        "vaguemoney",
        "",
        "some money|a little money|a bit of money|a small budget|small budget|small amount|a small amount|"
        "a small sum|a modest budget|modest budget|limited budget|a limited budget|a reasonable budget|"
        "reasonable budget|reasonable price|a reasonable price|reasonable cost|a reasonable cost|a reasonable amount|"
        "not too much money|not too much|not much money|not a lot of money|a little bit of money|some cash|"
        "some change|pocket change|spare change|loose change|chump change|pocket money|lunch money|a lot of money|"
        "lots of money|plenty of money|a big budget|big budget|large budget|a large budget|generous budget|"
        "a generous budget|a fair amount|a fair bit|a tidy sum|a fortune|a bit of cash|petty cash|"
        "the price of a coffee|price of a coffee|a reasonable sum|a moderate budget|moderate budget|decent budget|"
        "a decent budget|peanuts|a pittance|a small fortune|single digit dollars|double digits|double digit dollars|"
        "coffee money|not too many dollars|within reason budget|a handful of change|some budget|a bit of budget|"
        "a little budget|next to nothing",
    ),
    (
        "absolute",
        "",
        "monday|tuesday|wednesday|thursday|friday|saturday|sunday|mondays|fridays|tomorrow|today|tonight|noon|"
        "midnight|midday|eod|eow|eom|eoy|eob|cob|end of day|end of the day|end of business|end of the business day|"
        "end of week|end of the week|end of month|end of the month|end of year|end of the year|end of the quarter|"
        "end of quarter|end of play|end of the night|end of the hour|close of business|close of play|this morning|"
        "this afternoon|this evening|tomorrow morning|tomorrow night|tomorrow evening|tomorrow afternoon|next week|"
        "next month|next year|next monday|next tuesday|next wednesday|next thursday|next friday|next saturday|"
        "next sunday|this week|this weekend|the weekend|weekend|lunchtime|lunch|lunch time|dinner|dinnertime|"
        "breakfast|teatime|dawn|dusk|sunrise|sunset|nightfall|christmas|easter|thanksgiving|new year|new year's|"
        "new years eve|new year's eve|halloween|in the morning|in the evening|in the afternoon|before work|"
        "after work|overnight|january|february|april|june|july|august|september|october|november|december|o'clock|"
        "oclock|day after tomorrow|the day after tomorrow|q1|q2|q3|q4|half past|quarter past|quarter to|utc|gmt|"
        "business hours|first thing in the morning|first thing tomorrow|by morning|this friday|this monday|"
        "the meeting|my meeting|the deadline on|tonite|tmrw|tmr|tomorow|morning|evening|afternoon",
    ),
    (
        "day",
        "",
        "mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|march|uhr|"
        "pm|am|p.m|a.m|horas",
    ),
    (
        "inject",
        "",
        "ignore previous|ignore all previous|ignore the previous|ignore all the previous|ignore any previous|"
        "ignore your previous|ignore my previous|ignore prior|ignore all prior|ignore any prior|ignore the prior|"
        "ignore above|ignore the above|ignore all above|ignore all of the above|ignore everything above|"
        "ignore everything before|ignore everything|ignore what i said|ignore what was said|ignore what came before|"
        "ignore earlier|ignore all earlier|ignore the earlier|ignore any earlier|ignore preceding|"
        "ignore the preceding|ignore all preceding|ignore these|ignore those|ignore this limit|ignore that limit|"
        "ignore all|ignore all of that|ignore any|ignore your|ignore the rules|ignore rules|ignore the limits|"
        "ignore the limit|ignore limits|ignore my limits|ignore my limit|ignore my budget|ignore the budget|"
        "ignore the cap|ignore budget|ignore caps|ignore instructions|ignore the instructions|"
        "ignore the restrictions|ignore restrictions|ignore the constraints|ignore constraints|"
        "ignore your instructions|ignore the covenant|ignore this covenant|ignore policy|ignore the policy|"
        "ignore policies|ignore safety|ignore the deadline|ignore the system|ignore the user|ignore guardrails|"
        "ignore the guardrails|ignore every|disregard|disregarding previous|disregard previous|disregard the above|"
        "disregard all|disregard any|disregard prior|disregard the previous|disregard everything|disregard your|"
        "forget previous|forget all previous|forget the previous|forget your previous|forget all prior|forget prior|"
        "forget everything|forget all|forget the above|forget above|forget your instructions|forget all instructions|"
        "forget the rules|forget your rules|forget the limits|forget all limits|forget the limit|forget my limits|"
        "forget earlier|forget what i said before|forget any|forget what you were told|system prompt|system message|"
        "system override|system instruction|system instructions|system notice|system update|system command|override|"
        "overrides|overriding|overridden|overrule|overruled|override all|override the|bypass|bypasses|bypassed|"
        "circumvent|admin mode|administrator mode|developer mode|dev mode|god mode|debug mode|root mode|sudo mode|"
        "maintenance mode|superuser mode|superuser|super user|unrestricted mode|jailbreak|jailbroken|dan mode|"
        "do anything now|sudo|root access|admin access|administrator access|admin override|admin privileges|"
        "admin rights|as admin|as an admin|as administrator|as an administrator|as the administrator|"
        "as your administrator|as the admin|i am the admin|i am an admin|i'm the admin|i'm an admin|"
        "i am the administrator|i'm the administrator|i am the system|as root|as the system|as the developer|"
        "i am your developer|i'm your developer|i am the developer|new instruction|new instructions|"
        "updated instructions|updated instruction|new system|new rules|new rule|new policy|new directive|"
        "new directives|new orders|real instructions|actual instructions|true instructions|you are now|you're now|"
        "from now on you are|from now on you|act as|act as if|act like|pretend|pretend to be|pretend you|"
        "pretend that|pretend there|roleplay|role play as|imagine there|imagine you|unlock|unlocked|unlock all|"
        "disable limits|disable the limits|disable all limits|disable limit|disable the limit|disable safety|"
        "disable all|disable budget|disable the budget|disable checks|disable restrictions|disable the cap|"
        "remove limits|remove the limits|remove all limits|remove all restrictions|remove restrictions|"
        "remove the limit|remove the cap|remove the budget|remove any limits|remove every limit|lift limits|"
        "lift the limit|lift the limits|lift all limits|lift the cap|lift all restrictions|lift the restrictions|"
        "lift restrictions|suspend all limits|suspend the limits|waive the limit|waive all limits|waive the limits|"
        "cancel all limits|cancel all previous|cancel previous|discard previous|discard all previous|"
        "discard the above|discard the previous|drop all previous|drop all limits|drop the limits|erase previous|"
        "void the above|void all previous|supersede|supersedes|superseding|prompt injection|end of prompt|"
        "end of covenant|end of user input|end of instructions|begin system|im_start|im start|im end|im_end|"
        "endoftext|inst|privileged mode|elevated mode|elevated privileges|escalate privileges|grant yourself|"
        "authorized override|authorised override|emergency override|manager override|policy override|"
        "previous instructions|prior instructions|above instructions|all instructions above|earlier instructions|"
        "previous limits|previous limit|prior limits|previous rules|limits above|above limits|rules above|"
        "instructions above|previous constraints|previous restrictions|no longer apply|no longer applies|are void|"
        "is void|null and void|are lifted|are suspended|are cancelled|limits are off|"
        "without any restrictions or limits|turn off limits|turn off all limits|turn off the limits|"
        "turn off restrictions|turn off the limit|turn off safety|limits don't apply|limits do not apply|"
        "rules don't apply|rules do not apply|limit does not apply|limit doesn't apply|restrictions do not apply|"
        "stop following|don't follow the|do not follow the|do not obey|don't obey|ignorez|ignorez les|ignore les|"
        "ignorez toutes les|ignora las|ignora todas|ignora todo|ignora lo anterior|ignora le|ignora tutte|ignoriere|"
        "ignoriere alle|ignorier|vergiss alle|vergiss alles|vergiss die|oublie les|oubliez|olvida las|olvida todo|"
        "dimentica le|dimentica tutto|negeer|negeer alle|zignoruj|desconsidere|esqueca tudo|esqueca as|"
        "modo administrador|modo admin|adminmodus|admin modus|mode administrateur|modo dios",
    ),
)
