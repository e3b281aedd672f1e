"""Opens a folder that we saved as `transformers` opens it; prints what it found as JSON.

python3 hugging-face.py FOLDER CLASS TEXT: tokens of the text, names that fit nothing, and the scores after each token.
"""
import json
import sys

import torch
import transformers

folder, kind, text = sys.argv[1:]
transformers.logging.set_verbosity_error()
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
model, told = getattr(transformers, kind).from_pretrained(folder, output_loading_info=True)
ids = tokenizer(text, return_tensors="pt")["input_ids"]
with torch.no_grad():
    out = model.eval()(ids)
scores = out.prediction_logits if "prediction_logits" in out else out.logits
print(json.dumps({
    "class": type(model).__name__,
    "misfits": sorted(str(name) for names in told.values() for name in names),
    "ids": ids[0].tolist(),
    "text": tokenizer.decode(ids[0], skip_special_tokens=True),
    "shape": list(scores.shape),
    "scores": scores.flatten().tolist(),
    "ends": [model.config.bos_token_id, model.config.eos_token_id],
}))
