"""A small Llama as one GGUF file, for llama.cpp: `python -m training.shortline_mini.to_gguf FILE`.

For models made here: Llamas with a byte-level tokenizer, such as the bundled one and the tests'.
Needs the packages of the extra `llama_cpp`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from gguf import GGUFWriter, LlamaFileType, TokenType
from numpy.typing import NDArray
from safetensors.numpy import load_file

from training.shortline_mini.evaluate import BUNDLED

Precision = Literal["f16", "f32"]
_TYPES: Final[dict[Precision, Any]] = {
    "f16": (np.float16, LlamaFileType.MOSTLY_F16),
    "f32": (np.float32, LlamaFileType.ALL_F32),
}
_NAMES: Final = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(folder: Path, file: Path, precision: Precision = "f16") -> Path:
    """`folder`: as transformers saves a model. Returns `file`."""
    config = _json(folder / "config.json")
    dtype, file_type = _TYPES[precision]
    writer = GGUFWriter(file, "llama")
    writer.add_name(folder.name)
    writer.add_file_type(file_type)
    _add_shape(writer, config)
    _add_sampling(writer, folder)
    _add_tokenizer(writer, folder, config)
    for name, values in _tensors(folder, config):
        kept = np.float32 if values.ndim == 1 else dtype  # llama.cpp wants norms whole
        writer.add_tensor(name, np.ascontiguousarray(values.astype(kept)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_shape(writer: Any, config: dict[str, Any]) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(_head_size(config))
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _add_sampling(writer: Any, folder: Path) -> None:
    """What the authors recommend; without chance is a temperature of 0 here."""
    said = _json(folder / "generation_config.json")
    if said.get("do_sample") is False:
        writer.add_sampling_temp(0.0)
    elif "temperature" in said:
        writer.add_sampling_temp(said["temperature"])
    if "top_p" in said:
        writer.add_sampling_top_p(said["top_p"])
    if "top_k" in said:
        writer.add_sampling_top_k(said["top_k"])


def _add_tokenizer(writer: Any, folder: Path, config: dict[str, Any]) -> None:
    said = _json(folder / "tokenizer.json")
    words = {number: word for word, number in said["model"]["vocab"].items()}
    words |= {token["id"]: token["content"] for token in said["added_tokens"]}
    special = {token["id"] for token in said["added_tokens"] if token["special"]}
    numbers = range(config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([words.get(number, f"[unused{number}]") for number in numbers])
    writer.add_token_types([_type(number, words, special) for number in numbers])
    writer.add_token_merges([" ".join(pair) for pair in said["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)
    template = folder / "chat_template.jinja"
    if template.is_file():
        writer.add_chat_template(template.read_text("utf-8"))


def _type(number: int, words: dict[int, str], special: set[int]) -> Any:
    if number not in words:
        return TokenType.UNUSED
    return TokenType.CONTROL if number in special else TokenType.NORMAL


def _tensors(folder: Path, config: dict[str, Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for name, values in load_file(folder / "model.safetensors").items():
        path, _, end = name.rpartition(".")
        layer = ""
        if path.startswith("model.layers."):
            number, path = path.removeprefix("model.layers.").split(".", 1)
            layer = f"blk.{number}."
        head_count = heads.get(path.rpartition(".")[2])
        turned = values if head_count is None else _interleaved(values, head_count)
        yield f"{layer}{_NAMES[path]}.{end}", turned


def _interleaved(values: NDArray[Any], heads: int) -> NDArray[Any]:
    """llama.cpp turns neighbours by their position, transformers the two halves of a head.

    values: (heads * size, width).
    """
    halves = values.reshape(heads, 2, -1, values.shape[1])
    return halves.swapaxes(1, 2).reshape(values.shape)


def _head_size(config: dict[str, Any]) -> int:
    size: int = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return size


def _json(file: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", type=Path, default=BUNDLED, help="folder (bundled model)")
    parser.add_argument("--precision", choices=list(_TYPES), default="f16")
    arguments = parser.parse_args()
    write_gguf(arguments.model, arguments.file, arguments.precision)
    print(f"{arguments.file}: {arguments.file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
