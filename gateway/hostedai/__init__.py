"""hosted.ai: the client of its panels, leases of GPU pools, and the accounts of what they cost."""
