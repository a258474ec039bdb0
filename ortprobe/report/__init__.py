"""Findings and timeline → terminal, HTML, JSON, Markdown. The only place with wording, colour and layout."""
