"""The service: request, purchase and film, with neither ComfyUI nor torch."""
