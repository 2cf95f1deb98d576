using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;

namespace Accelerated.System.Tests.Netlink;

/// <summary>A network namespace of one test, with iproute2 as the witness of what the kernel holds. Gone after the test, even if that crashed.</summary>
internal sealed class TestNamespace : IDisposable
{
    private const string Prefix = "nlk-";
    private static int _count;

    static TestNamespace()
    {
        // Wreckage of test processes that were killed.
        foreach (var path in Directory.Exists("/run/netns") ? Directory.GetFiles("/run/netns", Prefix + "*") : [])
        {
            var name = global::System.IO.Path.GetFileName(path);
            if (!Directory.Exists($"/proc/{name.Split('-')[1]}"))
                Execute("ip", "netns", "delete", name);
        }
    }

    public TestNamespace()
    {
        Name = $"{Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref _count)}";
        Execute("ip", "netns", "add", Name);
        Ip("link set lo up");
    }

    public string Name { get; }

    public string Path => $"/run/netns/{Name}";

    /// <summary>Runs ip(8) in the namespace; words are split at spaces.</summary>
    public string Ip(string arguments) => Execute("ip", ["-n", Name, .. arguments.Split(' ')]);

    /// <summary>Runs ip(8) with JSON output.</summary>
    public JsonElement IpJson(string arguments) => Parse(Ip("-j -d " + arguments));

    /// <summary>Runs bridge(8) with JSON output.</summary>
    public JsonElement BridgeJson(string arguments) => Parse(Execute("bridge", ["-n", Name, "-j", .. arguments.Split(' ')]));

    /// <summary>Runs any command inside the namespace.</summary>
    public string Run(string command, params string[] arguments) => Execute("nsenter", [$"--net={Path}", command, .. arguments]);

    public T Invoke<T>(Func<T> work) => NetworkNamespace.Invoke(Path, work);

    public RouteSocket OpenSocket() => Invoke(RouteSocket.Open);

    /// <summary>An ethernet-like underlay, up, with the address; its far end lies beside it. Returns its ifindex.</summary>
    public int AddUnderlay(string name = "eth0", string? address = "192.0.2.1/24")
    {
        Ip($"link add {name} type veth peer name {name}-far");
        Ip($"link set {name}-far up");
        Ip($"link set {name} up");
        if (address is not null)
            Ip($"address add {address} dev {name}{(address.Contains(':', StringComparison.Ordinal) ? " nodad" : "")}");
        return IndexOf(name);
    }

    public int IndexOf(string link) => IpJson($"link show {link}")[0].GetProperty("ifindex").GetInt32();

    /// <summary>Runs a program to its end and gives its output; a failure fails the test with what the program said.</summary>
    public static string Execute(string command, params string[] arguments)
    {
        var (code, output, error) = TryExecute(command, arguments);
        return code == 0
            ? output
            : throw new InvalidOperationException($"{command} {string.Join(' ', arguments)}: exit {code.ToString(CultureInfo.InvariantCulture)}: {error}");
    }

    public static (int Code, string Output, string Error) TryExecute(
        string command, string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;

        // Process.Dispose leaves open what was read from by hand.
        using var output = process.StandardOutput;
        using var error = process.StandardError;
        var errorText = error.ReadToEndAsync();
        var outputText = output.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, outputText, errorText.GetAwaiter().GetResult());
    }

    public void Dispose() => Execute("ip", "netns", "delete", Name);

    // ip prints nothing at all for some empty lists.
    private static JsonElement Parse(string json) => JsonDocument.Parse(json.Length == 0 ? "[]" : json).RootElement;
}
