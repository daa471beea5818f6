"""What can be found out about an OpenAI-compatible endpoint from outside, within stated bounds.

exchange, endpoint   one request over the Transport port, and when each byte of its answer came
sse, stream, shapes  what the bytes mean, and what is wrong with them
limits               requests, tokens, seconds and dollars a probe may take; asked before every request
surface              what is there besides chat: models, prices, health, metrics, pools
compatibility        OpenAI's API item by item
measure, pilot       requests that are timed: first, one after the other, at once; the product's pilot
cadence, statistics  pure judgements over the times
run                  the order of it all
answers, sections    the findings in words, once for every form; page, written: the forms
"""
