"""Names under which a model's configuration in Triton holds what is ours."""

PASSPORT = "stc.passport"  # the whole passport.json
BATCH = "stc.batch"  # least, optimal and largest number of pictures at once, as a JSON list
