"""Who is calling: devices and people, their tokens, what they may see."""
