"""The networks against Transformers' Bark with the same weights, and against themselves by other ways of computing."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny import TINY, enable_checkpointing
from torch.nn.functional import cross_entropy
from transformers import AttentionInterface, StaticCache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.bark import configuration_bark as hf_configs
from transformers.models.bark import modeling_bark as hf
from transformers.utils import is_flash_attn_2_available

from bark_hf import (
    BarkCoarseConfig,
    BarkCoarseModel,
    BarkFineConfig,
    BarkFineModel,
    BarkSemanticConfig,
    BarkSemanticModel,
)
from bark_hf.generation.steps import CachedSteps

CASES = {
    "semantic": (BarkSemanticModel, BarkSemanticConfig, hf.BarkSemanticModel, hf_configs.BarkSemanticConfig),
    "coarse": (BarkCoarseModel, BarkCoarseConfig, hf.BarkCoarseModel, hf_configs.BarkCoarseConfig),
    "fine": (BarkFineModel, BarkFineConfig, hf.BarkFineModel, hf_configs.BarkFineConfig),
}
SIZES = TINY | {"input_vocab_size": 200, "output_vocab_size": 200}


def both(kind: str, attention: str = "sdpa", **sizes):
    """Our network and Transformers' with the same random weights, in eval mode."""
    ours_class, config_class, theirs_class, hf_config_class = CASES[kind]
    torch.manual_seed(0)
    sizes = SIZES | sizes
    ours = ours_class._from_config(config_class(**sizes), attn_implementation=attention).eval()
    theirs = theirs_class(hf_config_class(**sizes)).eval()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not unexpected
    assert all(name.endswith("attn.bias") for name in missing)  # causal masks, which we compute
    return ours, theirs


def causal(kind: str = "coarse", attention: str = "sdpa", **sizes) -> BarkCoarseModel:
    return both(kind, attention, **sizes)[0]


def ids(batch: int = 2, length: int = 17, codebooks: int | None = None) -> torch.Tensor:
    shape = (batch, length) if codebooks is None else (batch, length, codebooks)
    return torch.randint(0, 200, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["semantic", "coarse"])
def test_causal_logits_and_hidden_states_equal_transformers(kind, bias, attention):
    ours, theirs = both(kind, attention, bias=bias)
    x = ids()
    mine, reference = ours(x, output_hidden_states=True), theirs(x, output_hidden_states=True)
    torch.testing.assert_close(mine.logits, reference.logits, atol=1e-5, rtol=1e-5)
    assert len(mine.hidden_states) == len(reference.hidden_states) == 3
    for a, b in zip(mine.hidden_states, reference.hidden_states, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("codebook", [1, 2, 7])
def test_fine_logits_equal_transformers(codebook, bias, attention):
    ours, theirs = both("fine", attention, bias=bias)
    x = ids(codebooks=8)
    mine, reference = ours(codebook, x).logits, theirs(codebook, x).logits
    torch.testing.assert_close(mine, reference, atol=1e-5, rtol=1e-5)


def test_fine_looks_up_only_the_codebooks_it_sums():
    ours, _ = both("fine")
    x = ids(codebooks=8)
    other = x.clone()
    other[:, :, 4:] = 0  # not summed when codebook 3 is predicted
    seen = []
    for k, layer in enumerate(ours.input_embeds_layers):
        layer.register_forward_hook(lambda *_, k=k: seen.append(k))
    assert torch.equal(ours(3, x).logits, ours(3, other).logits)
    assert seen == [0, 1, 2, 3] * 2


def test_fine_heads_are_tied_to_the_next_embedding():
    ours, _ = both("fine")
    for i, head in enumerate(ours.lm_heads):
        assert head.weight is ours.input_embeds_layers[i + 1].weight
    untied, _ = both("fine", tie_word_embeddings=False)
    assert untied.lm_heads[0].weight is not untied.input_embeds_layers[1].weight


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_mask_and_position_ids_equal_transformers(attention):
    """A left-padded batch, as Transformers' generation makes them."""
    ours, theirs = both("coarse", attention)
    x, mask = ids(), torch.ones(2, 17, dtype=torch.long)
    mask[0, :5] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    mine = ours(x, attention_mask=mask, position_ids=positions).logits
    reference = theirs(x, attention_mask=mask, position_ids=positions).logits
    torch.testing.assert_close(mine[mask.bool()], reference[mask.bool()], atol=1e-5, rtol=1e-5)
    alone = ours(x[:1, 5:]).logits
    torch.testing.assert_close(mine[:1, 5:], alone, atol=1e-5, rtol=1e-5)


def test_fine_attention_mask_hides_padding():
    ours, _ = both("fine")
    x, mask = ids(codebooks=8), torch.ones(2, 17, dtype=torch.long)
    mask[:, 12:] = 0
    torch.testing.assert_close(
        ours(2, x, attention_mask=mask).logits[:, :12], ours(2, x[:, :12]).logits, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("static", [False, True])
def test_cached_equals_uncached(static, attention):
    network, x = causal(attention=attention), ids()
    whole = network(x, use_cache=False)
    assert whole.past_key_values is None
    cache = StaticCache(config=network.config, max_cache_len=32) if static else None
    pieces = []
    for start, stop in [(0, 9), (9, 10), (10, 11), (11, 12)] + ([] if static else [(12, 17)]):
        out = network(x[:, start:stop], past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        pieces.append(out.logits)
    joined = torch.cat(pieces, 1)
    torch.testing.assert_close(joined, whole.logits[:, : joined.shape[1]], atol=1e-5, rtol=1e-5)


def test_inputs_embeds_equal_input_ids():
    network, x = causal(), ids()
    assert torch.equal(network(x).logits, network(inputs_embeds=network.input_embeds_layer(x)).logits)


def test_restricted_head_is_a_part_of_the_whole():
    network, x = causal(), ids()
    whole = network(x).logits
    part = network(x, logits_to_keep=3, head_rows=(50, 120)).logits
    torch.testing.assert_close(part, whole[:, -3:, 50:120], atol=1e-5, rtol=1e-5)
    wrapped = copy.deepcopy(network)
    wrapped.lm_head = torch.nn.Sequential(wrapped.lm_head)  # a head that is no plain Linear computes all rows
    torch.testing.assert_close(wrapped(x, head_rows=(50, 120)).logits, whole[..., 50:120], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_row_cache_equals_full_forward_for_rows_at_different_positions():
    """Prompts of 5, 9 and 5 positions in one batch, six steps, one row dropped on the way."""
    network = causal()
    x = ids(3, 15)
    steps = CachedSteps(network, 3, 15)
    prompts = [5, 9, 5]
    steps.prefill([0, 2], network.input_embeds_layer(x[[0, 2], :5]))
    steps.prefill([1], network.input_embeds_layer(x[[1], :9]))
    rows = [0, 1, 2]
    for n in range(6):
        fed = torch.stack([x[row, prompts[row] + n] for row in rows])
        logits = steps.step(fed, None)
        for place, row in enumerate(rows):
            alone = network(x[row : row + 1, : prompts[row] + n + 1]).logits[0, -1]
            torch.testing.assert_close(logits[place], alone, atol=1e-5, rtol=1e-5)
        if n == 2:
            steps.keep([1, 2])
            rows = [1, 2]


@pytest.mark.parametrize("kind", ["semantic", "coarse"])
def test_causal_loss_is_shifted_cross_entropy(kind):
    network, x = both(kind)[0], ids()
    labels = x.clone()
    labels[0, :4] = -100
    out = network(x, labels=labels)
    expected = cross_entropy(out.logits[:, :-1].reshape(-1, 200), labels[:, 1:].reshape(-1), ignore_index=-100)
    torch.testing.assert_close(out.loss, expected)


def test_fine_loss_is_cross_entropy_of_the_given_codebook():
    network, x = both("fine")[0], ids(codebooks=8)
    labels = x[:, :, 4].clone()
    labels[1, 10:] = -100
    out = network(4, x, labels=labels)
    expected = cross_entropy(out.logits.reshape(-1, 200), labels.reshape(-1), ignore_index=-100)
    torch.testing.assert_close(out.loss, expected)


def test_loss_over_num_items_in_batch_supports_gradient_accumulation():
    """Trainer passes the number of labels of the whole accumulated batch; the parts then add up to the whole."""
    for kind, arguments in (("coarse", ()), ("fine", (3,))):
        network = both(kind)[0]
        x = ids(4, codebooks=8 if kind == "fine" else None)
        labels = x[:, :, 3] if kind == "fine" else x
        count = labels.numel() if kind == "fine" else labels[:, 1:].numel()
        whole = network(*arguments, input_ids=x, labels=labels).loss
        parts = sum(
            network(*arguments, input_ids=x[i : i + 2], labels=labels[i : i + 2], num_items_in_batch=count).loss
            for i in (0, 2)
        )
        torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("kind", ["semantic", "coarse", "fine"])
def test_gradient_checkpointing_gives_the_same_gradients(kind):
    network = both(kind)[0].train()
    x = ids(codebooks=8 if kind == "fine" else None)
    arguments = (2,) if kind == "fine" else ()
    labels = x[:, :, 2] if kind == "fine" else x
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            enable_checkpointing(network)
        network.zero_grad()
        out = network(*arguments, input_ids=x, labels=labels)
        assert checkpointing is False or getattr(out, "past_key_values", None) is None
        out.loss.backward()
        gradients.append({n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["semantic", "coarse", "fine"])
def test_dropout_acts_in_training_only(kind):
    network = both(kind, dropout=0.5)[0]
    x = ids(codebooks=8 if kind == "fine" else None)
    arguments = (2,) if kind == "fine" else ()
    run = lambda: network(*arguments, input_ids=x).logits  # noqa: E731
    assert torch.equal(run(), run())
    network.train()
    assert not torch.equal(run(), run())


def test_eager_attention_weights_and_clear_refusal_elsewhere():
    eager = causal(attention="eager")
    weights = eager(ids(), output_attentions=True).attentions
    assert [tuple(w.shape) for w in weights] == [(2, 2, 17, 17)] * 2
    torch.testing.assert_close(weights[0].sum(-1), torch.ones(2, 2, 17))
    with pytest.raises(ValueError, match="attn_implementation='eager'"):
        causal()(ids(), output_attentions=True)


def test_flash_attention_2_is_supported_and_refused_without_its_package():
    network = causal()
    assert network._supports_flash_attn
    if not is_flash_attn_2_available():
        with pytest.raises(ImportError, match="FlashAttention2"):
            network.set_attn_implementation("flash_attention_2")


@pytest.mark.parametrize("kind", ["coarse", "fine"])
def test_attention_goes_through_transformers_interface(kind):
    """FlashAttention-2 needs a GPU; what it is given is what any registered function is given."""
    calls = []

    def recorder(module, query, key, value, attention_mask, dropout, scaling, **kwargs):
        calls.append((module.is_causal, tuple(query.shape), dropout, scaling, attention_mask))
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)

    AttentionInterface.register("recorder", recorder)
    network = both(kind)[0]
    x = ids(codebooks=8 if kind == "fine" else None)
    arguments = (2,) if kind == "fine" else ()
    expected = network(*arguments, input_ids=x).logits
    network.set_attn_implementation("recorder")
    assert torch.equal(network(*arguments, input_ids=x).logits, expected)
    assert calls == [(kind == "coarse", (2, 2, 17, 16), 0.0, 0.25, None)] * 2


def test_bfloat16_runs_and_stays_close():
    network, x = causal(), ids()
    reference = network(x).logits
    low = copy.deepcopy(network).to(torch.bfloat16)(x).logits
    assert low.dtype == torch.bfloat16
    assert (low.float() - reference).abs().max() < 0.05 * reference.abs().max()


def test_tuple_output():
    network, x = causal(), ids()
    logits, cache = network(x, return_dict=False)
    assert torch.equal(logits, network(x).logits)
    assert cache.get_seq_length() == 17


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c, f: c(), "exactly one of input_ids and inputs_embeds"),
        (lambda c, f: c(ids(), inputs_embeds=torch.zeros(2, 17, 32)), "exactly one of input_ids and inputs_embeds"),
        (lambda c, f: c(ids().float()), r"integers \[batch, length\], not torch.float32 of shape \(2, 17\)"),
        (lambda c, f: c(ids()[0]), r"of shape \(17,\)"),
        (lambda c, f: c(ids() + 199), "allowed are 0..199"),
        (lambda c, f: c(-1 - ids()), "allowed are 0..199"),
        (lambda c, f: c(torch.zeros(1, 1025, dtype=torch.long)), "1025 positions does not fit.*block_size=1024"),
        (lambda c, f: c(ids(), position_ids=torch.arange(2000, 2017)[None]), "2017 positions does not fit"),
        (lambda c, f: c(ids(), labels=ids()[:, :5]), r"labels must be integers of shape \(2, 17\)"),
        (lambda c, f: c(ids(), labels=ids() + 200), "labels hold .*allowed are 0..199"),
        (lambda c, f: c(ids(), labels=ids(), logits_to_keep=1), "labels need all logits"),
        (lambda c, f: f(0, ids(codebooks=8)), "codebook_idx=0 has no head.*1..7"),
        (lambda c, f: f(8, ids(codebooks=8)), "codebook_idx=8 has no head"),
        (lambda c, f: f(2, ids(codebooks=5)), "5 codebooks.*n_codes_total=8"),
        (lambda c, f: f(2, ids()), r"integers \[batch, length, codebooks\]"),
        (lambda c, f: f(2, ids(codebooks=8), labels=ids(2, 16)), "labels must be integers"),
    ],
)
def test_bad_input_never_reaches_a_tensor_operation(call, message):
    with pytest.raises(ValueError, match=message):
        call(causal(), both("fine")[0])
