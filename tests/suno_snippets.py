"""Code of Suno's README and notebooks as its users have it, shortened in the texts alone."""

from __future__ import annotations

README = '''
from bark import SAMPLE_RATE, generate_audio, preload_models
from scipy.io.wavfile import write as write_wav
from IPython.display import Audio

# download and load all models
preload_models()

# generate audio from text
text_prompt = """
     Hello, my name is Suno. And, uh — and I like pizza. [laughs]
"""
audio_array = generate_audio(text_prompt)

# save audio to disk
write_wav("bark_generation.wav", SAMPLE_RATE, audio_array)

# play text in notebook
Audio(audio_array, rate=SAMPLE_RATE)

text_prompt = """
    ♪ In the jungle, the mighty jungle, the lion barks tonight ♪
"""
audio_array = generate_audio(text_prompt)

text_prompt = """
    I have a silky smooth voice
"""
audio_array = generate_audio(text_prompt, history_prompt="v2/en_speaker_1")
'''


LONG_FORM = '''
import os

os.environ["CUDA_VISIBLE_DEVICES"] = "0"


from IPython.display import Audio
import nltk  # we'll use this to split into sentences
import numpy as np

from bark.generation import (
    generate_text_semantic,
    preload_models,
)
from bark.api import semantic_to_waveform
from bark import generate_audio, SAMPLE_RATE

preload_models()

script = """
It's pretty impressive. I bet it could be
used for things like audiobooks.
""".replace("\\n", " ").strip()

sentences = nltk.sent_tokenize(script)

SPEAKER = "v2/en_speaker_6"
silence = np.zeros(int(0.25 * SAMPLE_RATE))  # quarter second of silence

pieces = []
for sentence in sentences:
    audio_array = generate_audio(sentence, history_prompt=SPEAKER)
    pieces += [audio_array, silence.copy()]

Audio(np.concatenate(pieces), rate=SAMPLE_RATE)

GEN_TEMP = 0.6
SPEAKER = "v2/en_speaker_6"
silence = np.zeros(int(0.25 * SAMPLE_RATE))  # quarter second of silence

pieces = []
for sentence in sentences:
    semantic_tokens = generate_text_semantic(
        sentence,
        history_prompt=SPEAKER,
        temp=GEN_TEMP,
        min_eos_p=0.05,  # this controls how likely the generation is to end
    )

    audio_array = semantic_to_waveform(semantic_tokens, history_prompt=SPEAKER,)
    pieces += [audio_array, silence.copy()]

Audio(np.concatenate(pieces), rate=SAMPLE_RATE)

speaker_lookup = {"Samantha": "v2/en_speaker_9", "John": "v2/en_speaker_2"}

script = """
Samantha: Hey, have you heard about this new text-to-audio model called "Bark"?

John: No, I haven't."""
script = script.strip().split("\\n")
script = [s.strip() for s in script if s]

pieces = []
silence = np.zeros(int(0.5*SAMPLE_RATE))
for line in script:
    speaker, text = line.split(": ")
    audio_array = generate_audio(text, history_prompt=speaker_lookup[speaker], )
    pieces += [audio_array, silence.copy()]

Audio(np.concatenate(pieces), rate=SAMPLE_RATE)
'''

MEMORY = """
import os

from bark.generation import (
    generate_text_semantic,
    preload_models,
    models,
)
import bark.generation

from bark.api import semantic_to_waveform
from bark import generate_audio, SAMPLE_RATE

import torch
import time

global models

for offload_models in (True, False):
    # this setattr is needed to do on the fly
    # the easier way to do this is with `os.environ["SUNO_OFFLOAD_CPU"] = "1"`
    setattr(bark.generation, "OFFLOAD_CPU", offload_models)
    for use_small_models in (True, False):
        models = {}
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        preload_models(
            text_use_small=use_small_models,
            coarse_use_small=use_small_models,
            fine_use_small=use_small_models,
            force_reload=True,
        )
        t0 = time.time()
        audio_array = generate_audio("madam I'm adam", history_prompt="v2/en_speaker_5", silent=True)
        dur = time.time() - t0
        max_utilization = torch.cuda.max_memory_allocated()
        print(f"Small models {use_small_models}, offloading to CPU: {offload_models}")
        print(f"\\tmax memory usage = {max_utilization / 1024 / 1024:.0f}MB, time {dur:.0f}s\\n")
"""

SMALL_ON_CPU = """
import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["SUNO_USE_SMALL_MODELS"] = "1"

from IPython.display import Audio
import numpy as np

from bark import generate_audio, preload_models, SAMPLE_RATE

import time

preload_models()

t0 = time.time()
text = "In the light of the moon, a little egg lay on a leaf"
audio_array = generate_audio(text)
generation_duration_s = time.time() - t0
audio_duration_s = audio_array.shape[0] / SAMPLE_RATE

print(f"took {generation_duration_s:.0f}s to generate {audio_duration_s:.0f}s of audio")
"""

ALL = {"readme": README, "long_form": LONG_FORM, "memory": MEMORY, "small_on_cpu": SMALL_ON_CPU}
CHANGES = {
    "import bark.generation": "import bark_hf.suno as bark",
    "from bark.generation import": "from bark_hf.suno.generation import",
    "from bark.api import": "from bark_hf.suno.api import",
    "from bark import": "from bark_hf.suno import",
}


def with_our_imports(code: str) -> str:
    """The code with its imports of `bark` changed, nothing else."""
    for theirs, ours in CHANGES.items():
        code = code.replace(theirs, ours)
    return code
