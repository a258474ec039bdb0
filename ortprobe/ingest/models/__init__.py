"""Model files: what each executed node was in the model that the program loaded, as far as ORT's names tell."""
