"""The vocabulary in which the services meet: every fact that can enter the chain."""
