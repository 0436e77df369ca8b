"""What handsets did while nobody could hear them."""
