"""The commands of `harpoon`, one file each."""
