"""A recording -> a voice: `make_voice`; `VoiceMaker` for several recordings, with what was taken of each.

Importing this needs what preparing speech needs: the extra "train".
"""

from .making import MadeVoice, VoiceMaker, make_voice
from .playing import describe_voice, play_voice
from .recording import RecordingRules

__all__ = ["MadeVoice", "RecordingRules", "VoiceMaker", "describe_voice", "make_voice", "play_voice"]
