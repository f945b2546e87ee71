"""`python -m bark_hf.training STAGE ...`, for `accelerate launch -m`: the same as `bark-hf train STAGE ...`."""

import sys

from bark_hf_cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["train"]
    main()
