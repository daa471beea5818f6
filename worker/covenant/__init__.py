"""Where covenant words become a policy, each rule with the span of text it came from."""
