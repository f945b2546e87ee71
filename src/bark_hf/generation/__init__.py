"""The three stages over tokens. A network is seen only as a step function and a config; no file is read here."""
