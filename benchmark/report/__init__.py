"""One HTML page of everything under a results folder; its pictures lie beside it. Imports no torch."""
