# Records what pytorch-metric-learning makes of the first column of docs/guide/moving.md's first table: python3 record.py
import json, pathlib, re, warnings
import torch
import pytorch_metric_learning
from pytorch_metric_learning import losses, miners

warnings.simplefilter('ignore')
here = pathlib.Path(__file__).parent
page = (here / '../../../docs/guide/moving.md').read_text()
B, D, C = 8, 4, 5  # C and D differ, so that a shape tells which is which
generator = torch.Generator().manual_seed(1)
# Few digits, exact in float32: sixteenths.
rows = lambda count: torch.randint(-48, 49, (count, D), generator=generator) / 16
x, y = rows(B), rows(B)
labels = torch.arange(B) % 3  # two classes without a row
flat = lambda tensor: tensor.double().flatten().tolist()
short = lambda numbers: [float(f'{value:.8g}') for value in numbers]
names = dict(losses=losses, miners=miners, B=B, C=C, D=D)


def parameters(loss):
    """Gives the one parameter of a loss rows of ours, [C·k, D], whichever way round it keeps them."""
    for parameter in loss.parameters():
        count = parameter.numel() // D
        ours = rows(count)
        with torch.no_grad():
            parameter.copy_(ours if tuple(parameter.shape) == (count, D) else ours.T)
        return {'weights': flat(ours)}
    return {}


def record(call):
    made = eval(call, names)
    if call.startswith('miners.'):
        return {'mined': [part.tolist() for part in made(x, labels)]}
    weights = parameters(made)
    given = x.clone().requires_grad_(True)
    if 'VICReg' in call:
        value = made(given, ref_emb=y)
    elif 'AngularLoss' in call:  # as the page says of it
        value = made(torch.nn.functional.normalize(given), labels)
    else:
        value = made(given, labels)
    value.backward()
    return {'loss': short([value.item()])[0], 'gradient': short(flat(given.grad)), **weights}


calls = re.findall(r'^\| `((?:losses|miners)\.\w+\(.*?\))` \| `', page.split('What has another shape')[0], re.M)
lines = [f'{json.dumps(call)}: {json.dumps(record(call), separators=(",", ":"))}' for call in calls]
head = f'"version": "{pytorch_metric_learning.__version__}", "dim": {D}, "x": {flat(x)}, "y": {flat(y)}, "labels": {labels.tolist()}'
(here / 'recorded.json').write_text('{' + head + ', "calls": {\n' + ',\n'.join(lines) + '\n}}\n')
