"""A provider with no model behind it: answers are worked out from the prompt, so trying Harpoon needs no account."""
