"""A reward model's scores of replies as a measure."""
