"""Post-collect plug-ins: where accepted responses go."""
