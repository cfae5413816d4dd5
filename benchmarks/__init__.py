"""Speed as ratios between things that were run side by side; `make bench` prints them."""
