"""The arithmetic of averaging: sites, schedules, interpolation. Pure: no I/O, device or framework model."""
