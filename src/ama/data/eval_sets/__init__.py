"""Public evaluation sets: what each is, where it comes from, and the folders that harnesses read offline."""
