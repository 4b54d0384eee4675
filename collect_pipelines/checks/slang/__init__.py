"""Search for slang in the local language of the answered city: lexicon, matching in many scripts, and the check `slang`."""
