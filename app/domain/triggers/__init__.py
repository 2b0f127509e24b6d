"""What trips the emergency stop by itself: one small pure file each; the folder listing is the list."""
