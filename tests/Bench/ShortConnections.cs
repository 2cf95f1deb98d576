using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>
/// Loads of one-byte requests and answers. Client and server are this program again, each in its namespace: blocking sockets on one
/// thread, so that what is measured is the network's wake-ups and not a runtime's.
/// </summary>
internal static class Transactions
{
    private const double MicrosecondsPerSecond = 1e6;
    private const int Backlog = 128;
    private const int ClientCpu = 0;
    private const int ServerCpu = 1;

    // Round trips are counted by their time, in steps of 0.1 us up to 20 ms; what took longer goes into the last step.
    private const double StepsPerSecond = 1e7;
    private const int Steps = 200_000;

    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);

    /// <summary>One connection, one byte there and back, again and again; half the median of the times.</summary>
    public static async Task<Reading> RoundTripsAsync(Course course)
    {
        var result = await RunAsync(course, Kind.RoundTrips);
        return new Reading(result.MedianSeconds / 2 * MicrosecondsPerSecond, result.PerSecond, result.CpuPerSecond);
    }

    /// <summary>A connection for each request: connect, a byte there, a byte back, close (the server first, as a web server does).</summary>
    public static async Task<Reading> ConnectionsAsync(Course course)
    {
        var result = await RunAsync(course, Kind.Connections);
        return new Reading(result.PerSecond, result.PerSecond, result.CpuPerSecond);
    }

    /// <summary>The server's process: answers until it is killed.</summary>
    public static void Serve(Kind kind, IPEndPoint local)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(local);
        listener.Listen(Backlog);
        var buffer = new byte[1];
        while (true)
        {
            using var socket = listener.Accept();
            socket.NoDelay = true;
            while (socket.Receive(buffer) > 0)
            {
                socket.Send(buffer);
                if (kind == Kind.Connections)
                    break;
            }
        }
    }

    /// <summary>The client's process: makes the load for a while and prints the result in a line of JSON.</summary>
    public static void Request(Kind kind, IPEndPoint server, TimeSpan duration, TextWriter output)
    {
        var result = kind == Kind.RoundTrips ? RequestRoundTrips(server, duration) : RequestConnections(server, duration);
        output.WriteLine(JsonSerializer.Serialize(result));
    }

    private static Result RequestRoundTrips(IPEndPoint server, TimeSpan duration)
    {
        using var socket = Connect(server);
        var buffer = new byte[1];
        var times = new int[Steps];
        RoundTrip(WarmUp);
        Array.Clear(times);
        var before = CpuTime.Read();
        RoundTrip(duration);
        var cpu = CpuTime.Read().PerSecondSince(before);
        var count = times.Sum();
        return new Result(count / duration.TotalSeconds, Median(times, count), cpu);

        void RoundTrip(TimeSpan time)
        {
            var start = Stopwatch.GetTimestamp();
            for (long last = start, now; Stopwatch.GetElapsedTime(start, last) < time; last = now)
            {
                socket.Send(buffer);
                if (socket.Receive(buffer) == 0)
                    throw new LabException("the server hung up in the middle of the round trips");
                now = Stopwatch.GetTimestamp();
                times[Math.Min((int)(Stopwatch.GetElapsedTime(last, now).TotalSeconds * StepsPerSecond), Steps - 1)]++;
            }
        }
    }

    private static Result RequestConnections(IPEndPoint server, TimeSpan duration)
    {
        var buffer = new byte[1];
        ConnectAndClose(WarmUp);
        var before = CpuTime.Read();
        var count = ConnectAndClose(duration);
        var cpu = CpuTime.Read().PerSecondSince(before);
        return new Result(count / duration.TotalSeconds, 0, cpu);

        int ConnectAndClose(TimeSpan time)
        {
            var count = 0;
            for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < time; count++)
            {
                using var socket = Connect(server);
                socket.Send(buffer);
                // The answer, then the end: it is the server that keeps the connection's last state, so our ports stay free.
                while (socket.Receive(buffer) > 0)
                {
                }
            }

            return count;
        }
    }

    private static Socket Connect(IPEndPoint server)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect(server);
        return socket;
    }

    private static double Median(int[] times, int count)
    {
        var (step, seen) = (0, 0);
        while (step < Steps && (seen += times[step]) * 2 < count)
            step++;
        return (step + 0.5) / StepsPerSecond;
    }

    private static async Task<Result> RunAsync(Course course, Kind kind)
    {
        await using var server = course.Server.Start([.. Self(ServerCpu), CommandLine.Serve, kind.ToString(), new IPEndPoint(course.ServerAddress, Course.Port).ToString()]);
        await server.WaitListeningAsync(Course.Port, course.Cancel);
        await course.SettledAsync();
        var seconds = course.Duration.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        var client = await course.Client.ExecAsync(
            [.. Self(ClientCpu), CommandLine.Request, kind.ToString(), new IPEndPoint(course.Target, Course.Port).ToString(), seconds],
            stdin: null, course.Duration + Grace, course.Cancel);
        return JsonSerializer.Deserialize<Result>(client.OrThrow().Stdout)!;
    }

    /// <summary>This program on one CPU. Hosts do not share one, but a scheduler with work for all of them would have ours share.</summary>
    private static string[] Self(int cpu) =>
    [
        .. Environment.ProcessorCount > ServerCpu ? ["taskset", "-c", cpu.ToString(CultureInfo.InvariantCulture)] : (string[])[],
        Environment.ProcessPath!, typeof(Transactions).Assembly.Location,
    ];

    /// <summary>What a request is.</summary>
    internal enum Kind
    {
        /// <summary>A byte there and back on a connection that stays.</summary>
        RoundTrips,

        /// <summary>A connection of its own.</summary>
        Connections,
    }

    private sealed record Result(double PerSecond, double MedianSeconds, double CpuPerSecond);
}
