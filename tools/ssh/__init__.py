"""SSH to other machines: hops whose host keys are known, commands and forwards over them."""
