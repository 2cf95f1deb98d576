using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Accelerated.Agent.Api;

namespace Accelerated.Agent.Cli;

/// <summary><c>accelerated drops</c>: prints what the guard refuses, as it happens, and once for each reason what to do about it.</summary>
internal static class DropsCommand
{
    /// <summary>The command for the command line library.</summary>
    public static Command Create()
    {
        var (runDir, instance) = AgentAddress.Options();
        var json = new Option<bool>("--json") { Description = "print the agent's lines as they are: one JSON object each" };
        var once = new Option<bool>("--once") { Description = "print the latest and end, instead of waiting for more" };
        var command = new Command("drops", "Show what the guard refuses: the latest, then live until Ctrl+C. Exit code: 0 with --once, 3 if no agent answers, 130 after Ctrl+C.") { runDir, instance, json, once };
        command.SetAction((parsed, cancel) => RunAsync(
            AgentOptions.SocketPath(parsed.GetValue(runDir)!, parsed.GetValue(instance)!), parsed.GetValue(json), parsed.GetValue(once), cancel));
        return command;
    }

    private static async Task<int> RunAsync(string socket, bool json, bool once, CancellationToken cancel)
    {
        var explained = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            await foreach (var line in StatusClient.AskAsync(socket, new("drops", Follow: !once), cancel).ConfigureAwait(false))
            {
                var drop = JsonSerializer.Deserialize(line, ApiJson.Default.DropLine);
                if (drop is not ({ Refused: not null } or { Counted: not null }))
                    throw new JsonException(line);
                await Console.Out.WriteLineAsync(json ? line : Render(drop)).ConfigureAwait(false);
                if (!json && Remedy(drop) is { } remedy && explained.Add(remedy))
                    await Console.Out.WriteLineAsync($"    → {remedy}").ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            return ExitCodes.Interrupted;
        }
        catch (IOException e)
        {
            await Console.Error.WriteLineAsync($"accelerated drops: {e.Message}").ConfigureAwait(false);
            return ExitCodes.NoAgent;
        }
        catch (JsonException)
        {
            await Console.Error.WriteLineAsync($"accelerated drops: {socket} answers something else than drops: is it an agent of another version?").ConfigureAwait(false);
            return ExitCodes.NoAgent;
        }

        return ExitCodes.Success;
    }

    /// <summary>A drop in a line for a person, with the time as it is here.</summary>
    internal static string Render(DropLine drop)
    {
        if (drop.Refused is { } packet)
        {
            var inside = packet.Source is null ? packet.Protocol : $"{packet.Source} → {packet.Destination}, {packet.Protocol}";
            return string.Create(CultureInfo.InvariantCulture,
                $"{Time(packet.At)}  {(packet.Dropped ? "dropped" : "only counted")}: {Words(packet.Reason)}, from {packet.Sender} on {packet.Interface}: {inside}, {packet.Length} bytes");
        }

        var count = drop.Counted!;
        return string.Create(CultureInfo.InvariantCulture, $"{Time(count.At)}  {count.Packets} refused by nftables: {Words(count.Reason)}");
    }

    private static string? Remedy(DropLine drop) => (drop.Refused?.Reason ?? drop.Counted?.Reason) switch
    {
        "unknown_vtep" => "no node of this network has that address. A node behind NAT or with several addresses: --guard-allow=ADDRESS",
        "forged_source" => "the source belongs to another node's subnet: the sender forwards what is not its own, or lies",
        "inner_vlan" => "VXLAN carries no VLAN tags (RFC 7348, 6.1)",
        "fragment" => "--guard=strict takes no fragments: give the overlay a smaller MTU, or use --guard=vtep",
        "not_from_underlay" => "VXLAN for this host that did not come from the underlay: a container sends it, or another network card",
        _ => null,
    };

    private static string Words(string reason) => reason.Replace('_', ' ');

    private static string Time(DateTimeOffset at) => at.ToLocalTime().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
}
