"""What is looked for in the text of requests, answers and logs: personal data, secrets, attacks, addresses of URLs."""
