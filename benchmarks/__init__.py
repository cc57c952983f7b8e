"""Speed and agreement of an artefact, measured on the same files in the same run."""
