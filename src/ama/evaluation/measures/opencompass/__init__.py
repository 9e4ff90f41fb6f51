"""OpenCompass's DROP as a measure."""
