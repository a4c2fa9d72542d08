"""The plugin: wire values, server, typed resource base, rolling gate, entry point."""
