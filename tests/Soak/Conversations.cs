using System.Globalization;
using System.Text.RegularExpressions;
using Accelerated.Lab;

namespace Accelerated.Soak;

/// <summary>What containers of different hosts say to each other all the time: echo requests, a hundred a second, and TCP streams.</summary>
internal sealed partial class Conversations(SoakLab soak) : IAsyncDisposable
{
    // Half of what is wanted: ping rounds up to ticks of the kernel, which are 10 ms apart on some.
    private const string Interval = "0.005";
    private const string BitsPerSecond = "8M";
    private const int Port = 5201;
    private const int Unlimited = 86400;

    private readonly List<(LabNode One, LabNode Other, BackgroundCommand Ping)> _pings = [];
    private readonly List<(string Name, BackgroundCommand Client, BackgroundCommand Server)> _streams = [];

    /// <summary>Starts them: pings around the ring of hosts, one stream between lanes and one between lanes and driver.</summary>
    public async Task StartAsync(CancellationToken cancel)
    {
        var lab = soak.Lab;
        foreach (var (one, other) in lab.Nodes.Zip(lab.Nodes.Skip(1).Append(lab.Nodes[0])))
            _pings.Add((one, other, one.Pods[0].Start("ping", "-n", "-D", "-i", Interval, other.Pods[0].Address.ToString())));
        await StreamAsync(lab.Pod(1, 2), lab.Pod(3, 2), cancel);
        await StreamAsync(lab.Pod(2, 2), lab.Pod(1, 2), cancel);
    }

    /// <summary>Waits until each ping has some answers that came after now, and each stream has carried something after now.</summary>
    /// <exception cref="LabException">One is silent.</exception>
    public async Task WaitAliveAsync(TimeSpan limit, CancellationToken cancel)
    {
        const int answers = 50;
        foreach (var (one, other, ping) in _pings)
        {
            var before = Answers(ping);
            await ping.WaitAsync($"answers to the containers of {one.Namespace} from {other.Namespace}", () => Answers(ping) >= before + answers, limit, cancel);
        }

        foreach (var (name, client, _) in _streams)
        {
            var before = BytesCarried(client);
            await client.WaitAsync($"data of the stream {name}", () => BytesCarried(client) > before, limit, cancel);
        }
    }

    /// <summary>What became of the echo requests so far.</summary>
    public IEnumerable<(LabNode One, LabNode Other, PingTrace Trace)> Traces() => _pings.Select(p => (p.One, p.Other, PingTrace.Parse(p.Ping.Output())));

    /// <summary>What the streams have carried, in bytes, by name.</summary>
    public IReadOnlyDictionary<string, long> Carried() => _streams.ToDictionary(s => s.Name, s => BytesCarried(s.Client));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var command in (IEnumerable<BackgroundCommand>)[.. _pings.Select(p => p.Ping), .. _streams.SelectMany(s => new[] { s.Client, s.Server })])
            await command.DisposeAsync();
    }

    private async Task StreamAsync(LabPod from, LabPod to, CancellationToken cancel)
    {
        var server = to.Start("iperf3", "-s", "-1", "-B", to.Address.ToString(), "-p", $"{Port}");
        await server.WaitListeningAsync(Port, cancel);
        var client = from.Start("iperf3", "--forceflush", "-f", "k", "-i", "1", "-b", BitsPerSecond, "-t", $"{Unlimited}", "-c", to.Address.ToString(), "-p", $"{Port}");
        _streams.Add(($"{from.Namespace} to {to.Namespace}", client, server));
    }

    private static int Answers(BackgroundCommand ping) => Reply().Count(ping.Output());

    private static long BytesCarried(BackgroundCommand client) =>
        (long)Carriage().Matches(client.Output()).Sum(m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture) * 1024);

    [GeneratedRegex(" bytes from ")]
    private static partial Regex Reply();

    // [  5]   3.00-4.00   sec   977 KBytes  8002 Kbits/sec …
    [GeneratedRegex(@"sec +([\d.]+) KBytes", RegexOptions.Multiline)]
    private static partial Regex Carriage();
}
