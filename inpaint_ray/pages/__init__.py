"""Drawing of pages: templates, pictures, sounds."""
