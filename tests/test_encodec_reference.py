"""The converted codec against Meta's own implementation, the optional extra `encodec`."""

from __future__ import annotations

import importlib.util
import sys
import types

import pytest
import torch
from transformers import EncodecModel

from bark_hf.codec import decode_codes
from bark_hf.conversion.encodec import read_codec
from bark_hf.conversion.mapping import map_state

if importlib.util.find_spec("encodec") is None:
    pytest.skip("Meta's codec is not installed: pip install 'bark-hf[encodec]'", allow_module_level=True)
with pytest.MonkeyPatch.context() as patch:
    if importlib.util.find_spec("torchaudio") is None:  # encodec imports it for reading files, which is not done here
        patch.setitem(sys.modules, "torchaudio", types.ModuleType("torchaudio"))
    import encodec


@torch.no_grad()
def test_converted_codec_decodes_as_metas(tmp_path):
    torch.manual_seed(0)
    meta = encodec.EncodecModel.encodec_model_24khz(pretrained=False).eval()
    for name, buffer in meta.named_buffers():
        if name.endswith("embed"):
            buffer.normal_()
    torch.save(meta.state_dict(), tmp_path / "encodec_24khz.th")
    part = read_codec(tmp_path / "encodec_24khz.th")
    ours = EncodecModel(part.config).eval()
    shapes = {name: tensor.shape for name, tensor in ours.state_dict().items()}
    ours.load_state_dict(map_state(part.tensors, part.table, shapes, part.path))

    codes = torch.randint(0, 1024, (8, 40))
    expected = meta.decoder(meta.quantizer.decode(codes[:, None]))[0, 0]  # as Suno's codec_decode
    torch.testing.assert_close(decode_codes(ours, [codes])[0], expected, atol=1e-6, rtol=1e-5)
