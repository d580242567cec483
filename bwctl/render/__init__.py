"""From results to text, JSON, CSV and pictures."""
