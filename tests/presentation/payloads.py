"""Texts that would do harm if a page took them for anything but text: each tries to run `pwned()` or to deceive."""

from __future__ import annotations

PAYLOADS = (
    "<script>pwned()</script>",
    "</textarea><script>pwned()</script>",
    "</title></style></noscript><script>pwned()</script>",
    "<img src=x onerror=pwned()>",
    "<img/src/onerror=pwned()//",
    "<svg onload=pwned()>",
    "<svg><script href=data:,pwned() /></svg>",
    "<svg><animate onbegin=pwned() attributeName=x dur=1s>",
    "<math><mtext></table></math><img src=x onerror=pwned()>",
    "<iframe srcdoc='<script>parent.pwned()</script>'></iframe>",
    "<iframe src=javascript:parent.pwned()></iframe>",
    "<a href=javascript:pwned()>click</a>",
    "[click](javascript:pwned())",
    '![x](x"onerror="pwned())',
    "<body onload=pwned()>",
    "<details open ontoggle=pwned()>",
    "<input autofocus onfocus=pwned()>",
    "<style>*{background:url(//evil.example/x)}</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<form action=//evil.example/><button>send</button></form>",
    "<object data=//evil.example/></object>",
    '"><script>pwned()</script>',
    "' onmouseover='pwned()",
    "javascript:pwned()",
    "data:text/html,<script>pwned()</script>",
    "{{constructor.constructor('pwned()')()}}",
    "${pwned()}",
    "<%= pwned() %>",
    "#{pwned()}",
    "__proto__",
    "constructor",
    "&lt;script&gt;pwned()&lt;/script&gt;",
    "&#x3C;script>pwned()</script>",
    "\\u003cscript\\u003epwned()\\u003c/script\\u003e",
    "<!--<script>pwned()//-->",
    "<![CDATA[<script>pwned()</script>]]>",
    "%3Cscript%3Epwned()%3C/script%3E",
    "\u202eexe.gnp\u202d and \u2066isolated\u2069 \u200bzero\ufeff",
    "\u0000\u0008\u001b[31mred\u001b[0m\u2028\u2029",
    "e" + "\u0301" * 400,
    "W" * 6_000,
    "very long " * 800,
)
#: A model's name can't have spaces or commas in it; nor can a header have line ends.
NAMES = tuple(
    text for text in PAYLOADS if len(text) < 80 and all("!" <= letter <= "~" and letter != "," for letter in text)
)
