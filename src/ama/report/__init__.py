"""Tables and plots for people to look at."""
