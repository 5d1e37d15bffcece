"""`kontext_mini`: a FluxKontextPipeline that edits scenes."""
