"""What draws pages: templates, pictures, sounds."""
