using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Accelerated.Bench;

/// <summary>
/// A connection for each request: connect, a byte there, a byte back, close (the server first, as a web server does). Client and server
/// are this program again, each in its namespace: blocking sockets on one thread, so that what is measured is the network and the
/// kernel's sockets.
/// </summary>
internal static class ShortConnections
{
    private const int Backlog = 128;

    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);

    /// <summary>Connections in a second, one after the other.</summary>
    public static async Task<Reading> MeasureAsync(Course course)
    {
        await using var server = course.Server.Start(
            [.. OneCpu.Server, .. Self, CommandLine.Serve, new IPEndPoint(course.ServerAddress, Course.Port).ToString()]);
        await server.WaitListeningAsync(Course.Port, course.Cancel);
        await course.SettledAsync();
        var seconds = course.Duration.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        var client = await course.Client.ExecAsync(
            [.. OneCpu.Client, .. Self, CommandLine.Request, new IPEndPoint(course.Target, Course.Port).ToString(), seconds],
            stdin: null, course.Duration + Grace, course.Cancel);
        var result = JsonSerializer.Deserialize<Result>(client.OrThrow().Stdout)!;
        return new Reading(result.PerSecond, result.PerSecond, result.CpuPerSecond);
    }

    /// <summary>The server's process: answers until it is killed.</summary>
    public static void Serve(IPEndPoint local)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(local);
        listener.Listen(Backlog);
        var buffer = new byte[1];
        while (true)
        {
            using var socket = listener.Accept();
            if (socket.Receive(buffer) > 0)
                socket.Send(buffer);
        }
    }

    /// <summary>The client's process: makes the load for a while and prints the result in a line of JSON.</summary>
    public static void Request(IPEndPoint server, TimeSpan duration, TextWriter output)
    {
        ConnectAndClose(server, WarmUp);
        var before = CpuTime.Read();
        var count = ConnectAndClose(server, duration);
        output.WriteLine(JsonSerializer.Serialize(new Result(count / duration.TotalSeconds, CpuTime.Read().PerSecondSince(before))));
    }

    private static string[] Self => [Environment.ProcessPath!, typeof(ShortConnections).Assembly.Location];

    private static int ConnectAndClose(IPEndPoint server, TimeSpan time)
    {
        var buffer = new byte[1];
        var count = 0;
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < time; count++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Connect(server);
            socket.Send(buffer);
            // The answer, then the end: it is the server that keeps the connection's last state, so our ports stay free.
            while (socket.Receive(buffer) > 0)
            {
            }
        }

        return count;
    }

    private sealed record Result(double PerSecond, double CpuPerSecond);
}
