"""Recordings of Nsight Systems, exported to SQLite: one module a kind of row."""
