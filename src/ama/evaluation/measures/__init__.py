"""What can be measured of a model, a module for each kind."""
