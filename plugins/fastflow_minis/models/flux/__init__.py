"""`flux_mini`: a FluxPipeline that draws scenes."""
