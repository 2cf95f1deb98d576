using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>A connection to an agent's status socket that shares no code with the agent's own client.</summary>
internal sealed class AgentSocket : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly StreamReader _answers;

    public AgentSocket(LabNode node)
    {
        _socket.Connect(new UnixDomainSocketEndPoint(PathOf(node)));
        _answers = new StreamReader(new NetworkStream(_socket), Encoding.UTF8);
    }

    /// <summary>Where it is.</summary>
    public static string PathOf(LabNode node) => $"{node.RunDirectory}/agent.sock";

    /// <summary>The status, over a connection of its own.</summary>
    public static async Task<JsonObject> StatusAsync(LabNode node)
    {
        using var socket = new AgentSocket(node);
        await socket.SendAsync("{\"method\":\"status\"}\n");
        return await socket.AnswerAsync();
    }

    /// <summary>Waits for a status that has something; the agent may still be starting.</summary>
    /// <exception cref="LabException">It does not come; the message shows the last one.</exception>
    public static async Task<JsonObject> WaitAsync(LabNode node, string what, Func<JsonObject, bool> condition, TimeSpan? deadline = null)
    {
        JsonObject? last = null;
        await Wait.UntilAsync(
            $"{what} in the status of {node.Namespace}", async () => (last = await TryStatusAsync(node)) is not null && condition(last), deadline,
            () => $"{last}\n{node.LogTail()}", TestContext.Current.CancellationToken);
        return last!;
    }

    private static async Task<JsonObject?> TryStatusAsync(LabNode node)
    {
        try
        {
            return await StatusAsync(node);
        }
        catch (Exception e) when (e is SocketException or TimeoutException)
        {
            // Not there yet, or on a machine where everything takes its time.
            return null;
        }
    }

    /// <summary>The codes of the problems a status names.</summary>
    public static IEnumerable<string> Problems(JsonObject status) => status["problems"]!.AsArray().Select(p => (string)p!["code"]!);

    /// <summary>Sends text as it is.</summary>
    public async Task SendAsync(string text) =>
        await _socket.SendAsync(Encoding.UTF8.GetBytes(text), TestContext.Current.CancellationToken);

    /// <summary>Reads one line; null when the agent has hung up.</summary>
    /// <exception cref="TimeoutException">Nothing came within 5 s.</exception>
    public async Task<string?> LineAsync() =>
        await _answers.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Limit, TestContext.Current.CancellationToken);

    /// <summary>Reads one line of JSON.</summary>
    public async Task<JsonObject> AnswerAsync() => JsonNode.Parse(await LineAsync() ?? throw new LabException("the agent hung up"))!.AsObject();

    /// <inheritdoc/>
    public void Dispose()
    {
        _answers.Dispose();
        _socket.Dispose();
    }
}
