"""What becomes of results: drawings, videos, pictures, contact sheets and records."""
