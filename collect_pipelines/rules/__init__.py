"""The rule language: one expression over answers, decided at ingest, over a frame and in GX with the same verdict."""
